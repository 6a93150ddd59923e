"""Signing in: how many wrong passwords are taken, and from whom.

A try is counted before its password is looked at, so that many at once get no more than the limit, and is taken back
where the password is right. Each door opens again by itself: a try while it is closed does not keep it closed.

A browser in which somebody has signed in before is counted by itself, and not with the others: whoever tries a known
account's passwords from everywhere locks out nobody who uses it.
"""

import ipaddress
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import F
from django.db.models.functions import Greatest
from django.utils import timezone

from integrations.exceptions import SignInClosedError
from integrations.models import SignInCount
from integrations.privacy.blind_index import digest

logger = logging.getLogger(__name__)

Door = SignInCount.Door
# So many tries within so long.
LIMITS: Mapping[str, tuple[int, timedelta]] = {
    Door.BROWSER: (10, timedelta(minutes=10)),
    Door.ADDRESS: (30, timedelta(minutes=10)),
    Door.PAIR: (6, timedelta(minutes=10)),
    Door.ACCOUNT: (60, timedelta(hours=1)),
    # Whoever comes so far has the password. At this rate a code of six digits is guessed in years.
    Door.CODE: (10, timedelta(hours=1)),
}
# Somebody attacks: one person's forgotten password closes neither.
ATTACKED = (Door.ADDRESS, Door.ACCOUNT)
KEPT = timedelta(days=1)
# Who has an IPv6 address has as many as there are in such a network.
IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Visit:
    """A try to sign in: the account's name as it was typed, where from, and what the browser is known by."""

    name: str
    address: str
    browser: str = ""


def read_address(peer: str, forwarded: str, *, proxies: int) -> str:
    """Who asks: the peer, or, behind so many proxies of our own, what the outermost of them has seen.

    `forwarded` is X-Forwarded-For, to which each proxy appends its peer: what stands further left anybody may have
    written. Of an IPv6 address the network. Empty where it cannot be read.
    """
    seen = [part.strip() for part in forwarded.split(",") if part.strip()] if proxies else []
    try:
        address = ipaddress.ip_address(seen[-min(proxies, len(seen))] if seen else peer)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


# --- A browser that is known ------------------------------------------------------------------------------------------


def make_mark(user_id: int) -> str:
    """What a browser keeps, signed, after somebody has signed in with it."""
    return f"{user_id}:{secrets.token_urlsafe(16)}"


def is_marked(visit: Visit, user: User | None) -> bool:
    return user is not None and visit.browser.partition(":")[0] == str(user.pk)


# --- Counting ---------------------------------------------------------------------------------------------------------


def count_try(visit: Visit) -> list[SignInCount]:
    """Count it at each of its doors. Raises SignInClosedError at the first that is closed, and goes no further."""
    user = User.objects.filter(username=visit.name).first()
    counted = []
    for door, about in list_doors(visit, user):
        row = count_at(door, about, user=None if door == Door.ADDRESS else user, address=visit.address)
        if row.tries > LIMITS[door][0]:
            logger.warning("sign-in refused", extra={"kind": door})
            raise SignInClosedError(row.ends_at, is_for_account=door == Door.ACCOUNT)
        counted.append(row)
    return counted


def list_doors(visit: Visit, user: User | None) -> list[tuple[Door, str]]:
    """With what each is about. The narrow ones come first: what they refuse is not counted at the account's."""
    if is_marked(visit, user):
        return [(Door.BROWSER, visit.browser)]
    name = visit.name.strip().casefold()
    return [(Door.ADDRESS, visit.address), (Door.PAIR, f"{visit.address}\0{name}"), (Door.ACCOUNT, name)]


def count_code(user: User) -> SignInCount:
    """Count a try at the second factor. Raises SignInClosedError after too many, wherever they came from."""
    row = count_at(Door.CODE, str(user.pk), user=user, address="")
    if row.tries > LIMITS[Door.CODE][0]:
        logger.warning("code refused", extra={"kind": Door.CODE})
        raise SignInClosedError(row.ends_at, is_for_account=False)
    return row


@transaction.atomic
def count_at(door: Door, about: str, *, user: User | None, address: str) -> SignInCount:
    now, (_, length) = timezone.now(), LIMITS[door]
    where = address if door != Door.ACCOUNT else ""
    key = digest(f"sign-in {door}", about)
    fresh = SignInCount(key=key, door=door, user=user, address=where, ends_at=now + length)
    # Made or found, it is locked by this: who is right at this moment may take it back before or after, not between.
    SignInCount.objects.bulk_create([fresh], update_conflicts=True, unique_fields=["key"], update_fields=["door"])
    row = SignInCount.objects.get(key=key)
    if row.ends_at <= now:
        row.tries, row.ends_at = 0, now + length
    row.tries += 1
    row.save(update_fields=["tries", "ends_at"])
    return row


def take_back(counted: Sequence[SignInCount]) -> None:
    """It was right: what the person mistyped before is forgotten, what others tried is not."""
    own = [row.pk for row in counted if row.door in (Door.BROWSER, Door.PAIR, Door.CODE)]
    SignInCount.objects.filter(pk__in=own).delete()
    others = SignInCount.objects.filter(pk__in=[row.pk for row in counted])
    others.update(tries=Greatest(F("tries") - 1, 0))


# --- Looking ----------------------------------------------------------------------------------------------------------


def find_closed(now: datetime, doors: Sequence[str] = tuple(LIMITS)) -> QuerySet[SignInCount]:
    """The doors that are closed at this moment."""
    full = reduce(or_, (Q(door=door, tries__gt=LIMITS[door][0]) for door in doors))
    return SignInCount.objects.filter(full, ends_at__gt=now)


def is_closed(row: SignInCount) -> bool:
    return row.tries > LIMITS[row.door][0] and row.ends_at > timezone.now()


def reopen(row: SignInCount) -> None:
    SignInCount.objects.filter(pk=row.pk).update(tries=0)


def forget_old() -> None:
    SignInCount.objects.filter(ends_at__lt=timezone.now() - KEPT).delete()
