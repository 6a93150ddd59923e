"""The optional second factor of signing in: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

1. A key is proposed. The person gives it to the app, and shows by a code that it is there.
2. From then on a session is nobody's until it has given a code: see integrations/second_factor_middleware.py.
3. Each code is taken once. So many wrong ones, and none is looked at for a while: see sign_ins.py.
"""

import base64
import secrets
from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_otp.oath import TOTP

from integrations import sign_ins
from integrations.exceptions import StateError, WrongCodeError
from integrations.models import RecoveryCode, SecondFactor
from integrations.privacy.blind_index import digest

ISSUER = "Keepsync"
KEY_BYTES = 20
STEP_S, DIGITS = 30, 6
# Steps before and after the present one whose codes are taken too: clocks differ.
DRIFT = 1
RECOVERY_CODES = 10
# Without what is easily mistaken for something else: about 50 bits in ten of them.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
HALF = 5
# In a session: the id of the second factor of which it has given a code.
MARK = "second_factor"


class Lack(Enum):
    """What a session must do before it is the person's."""

    CODE = "give a code"
    SETUP = "set a second factor up"


# --- Who has one ------------------------------------------------------------------------------------------------------


def find_factor(user: Any) -> SecondFactor | None:
    """The one that is asked for; None where it is not confirmed."""
    factor: SecondFactor | None = getattr(user, "second_factor", None)
    return factor if factor and factor.confirmed_at else None


def find_lack(user: User, session: Mapping[str, Any]) -> Lack | None:
    factor = find_factor(user)
    if factor is not None:
        return None if session.get(MARK) == str(factor.pk) else Lack.CODE
    return Lack.SETUP if is_required(user) else None


def is_required(user: User) -> bool:
    """Where REQUIRE_SECOND_FACTOR asks for it: of everybody who may change something."""
    if not settings.REQUIRE_SECOND_FACTOR:
        return False
    return user.is_superuser or any(
        not name.partition(".")[2].startswith("view_") for name in user.get_all_permissions()
    )


def list_without() -> QuerySet[User]:
    """Who may sign in here by nothing but a password."""
    return User.objects.filter(is_active=True, is_staff=True, second_factor__confirmed_at=None)


# --- Turning it on and off --------------------------------------------------------------------------------------------


def propose(user: User) -> SecondFactor:
    """The key that the person is to give to the app: the same one, until it is confirmed.

    Raises StateError where there is one already.
    """
    key = base64.b32encode(secrets.token_bytes(KEY_BYTES)).decode()
    factor, _ = SecondFactor.objects.get_or_create(user=user, defaults={"key": key})
    if factor.confirmed_at:
        raise StateError("Your second factor is on already: turn it off before you set it up anew.")
    return factor


def make_address(factor: SecondFactor) -> str:
    """What the QR code says (https://github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
    account = quote(factor.user.get_username(), safe="")
    return f"otpauth://totp/{ISSUER}:{account}?secret={factor.key}&issuer={ISSUER}&digits={DIGITS}&period={STEP_S}"


@transaction.atomic
def confirm(factor: SecondFactor, code: str) -> list[str]:
    """Turn it on, by a code of the app. Returns the recovery codes: this is the only time that they are shown.

    Raises WrongCodeError.
    """
    if not use_app_code(factor, code):
        raise WrongCodeError("This is not the app's code of now. Is the clock of the phone right?")
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=timezone.now())
    return renew_recovery_codes(factor)


@transaction.atomic
def renew_recovery_codes(factor: SecondFactor) -> list[str]:
    """New ones; those there were are good for nothing any more."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(2 * HALF)) for _ in range(RECOVERY_CODES)]
    factor.recovery_codes.all().delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, digest=digest_code(factor, code)) for code in codes)
    return [f"{code[:HALF]}-{code[HALF:]}" for code in codes]


def remove(user: User) -> bool:
    """Turn it off. Returns whether there was one."""
    removed, _ = SecondFactor.objects.filter(user=user).delete()
    return bool(removed)


# --- Codes ------------------------------------------------------------------------------------------------------------


def check_code(user: User, code: str) -> None:
    """Take a code of the app, or a recovery code, and count the try.

    Raises WrongCodeError, and SignInClosedError, without looking at it, after too many.
    """
    counted = sign_ins.count_code(user)
    factor = SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).first()
    if factor is None or not (use_app_code(factor, code) or use_recovery_code(factor, code)):
        raise WrongCodeError("This code is wrong, or was used before: give the one that the app shows now.")
    sign_ins.take_back([counted])


def use_app_code(factor: SecondFactor, code: str) -> bool:
    """Whether it is a code of now that was not used. Of two that give it at the same moment one is refused."""
    digits = "".join(code.split())
    if not (digits.isascii() and digits.isdigit() and len(digits) == DIGITS):
        return False
    totp = TOTP(base64.b32decode(factor.key), step=STEP_S, digits=DIGITS)
    totp.time = timezone.now().timestamp()
    if not totp.verify(int(digits), tolerance=DRIFT):
        return False
    unused = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=totp.t())
    return unused.update(last_step=totp.t()) == 1


def use_recovery_code(factor: SecondFactor, code: str) -> bool:
    plain = "".join(each for each in code.lower() if each.isalnum())
    unused = factor.recovery_codes.filter(digest=digest_code(factor, plain), used_at=None)
    return unused.update(used_at=timezone.now()) == 1


def digest_code(factor: SecondFactor, code: str) -> bytes:
    return digest(f"recovery code {factor.pk}", code)


def count_recovery_codes(factor: SecondFactor) -> int:
    """Those that are left."""
    return factor.recovery_codes.filter(used_at=None).count()


# --- Sessions ---------------------------------------------------------------------------------------------------------


def end_sessions(user: User, *, but: str | None = None) -> int:
    """Sign the person out everywhere, but in the session of this key. Returns how many sessions have ended."""
    ended = 0
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator(chunk_size=500):
        if session.session_key != but and session.get_decoded().get(SESSION_KEY) == str(user.pk):
            session.delete()
            ended += 1
    return ended
