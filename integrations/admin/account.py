"""One's own account: password, second factor, sessions; and the second step of signing in."""

from typing import Any

import segno
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from integrations.admin.account_forms import CodeForm, PasswordAndCodeForm, SetupForm
from integrations.admin.base import show_page
from integrations.exceptions import StateError
from integrations.models import SecondFactor
from integrations.second_factors import (
    MARK,
    Lack,
    count_recovery_codes,
    end_sessions,
    find_factor,
    is_required,
    make_address,
    propose,
    remove,
    renew_recovery_codes,
)

SHOWN_ONCE = (
    "Keep these codes where you find them without your phone. Each of them signs you in once. They are shown once: "
    "no page shows them again."
)
QR_SCALE = 5


def show_account(request: HttpRequest) -> HttpResponse:
    factor = find_factor(request.user)
    return show_page(
        request,
        "keepsync/account.html",
        title="Your account",
        factor=factor,
        codes_left=count_recovery_codes(factor) if factor else 0,
        is_required=is_required(read_person(request)),
    )


@require_POST
def sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    ended = end_sessions(read_person(request), but=request.session.session_key)
    messages.success(request, f"Signed out in {ended} other session{'' if ended == 1 else 's'}.")
    return HttpResponseRedirect(reverse("account"))


# --- Turning it on and off --------------------------------------------------------------------------------------------


@never_cache
@sensitive_post_parameters()
def set_up(request: HttpRequest) -> HttpResponse:
    """Also for who may do nothing else before. What it shows is good for nothing until a code has confirmed it."""
    user = read_person(request)
    try:
        factor = propose(user)
    except StateError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("account"))
    form = SetupForm(factor, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return show_setup(request, user, factor, form)
    return turn_on(request, user, factor, form.recovery_codes)


def show_setup(request: HttpRequest, user: User, factor: SecondFactor, form: SetupForm) -> HttpResponse:
    return show_page(
        request,
        "keepsync/second_factor_setup.html",
        title="Set up your second factor",
        form=form,
        person=user,
        qr_code=draw(make_address(factor)),
        key=" ".join(factor.key[start : start + 4] for start in range(0, len(factor.key), 4)),
        is_entering=hasattr(request, "entering"),
        next=request.GET.get("next", ""),
    )


def turn_on(request: HttpRequest, user: User, factor: SecondFactor, codes: list[str]) -> HttpResponse:
    """This session has given a code; all others of the person end."""
    end_sessions(user, but=request.session.session_key)
    enter(request, user, factor)
    note(user, "Turned the second factor on")
    return show_codes(request, codes, back=find_target(request))


@never_cache
@sensitive_post_parameters()
def turn_off(request: HttpRequest) -> HttpResponse:
    user = read_person(request)
    form = PasswordAndCodeForm(user, request.POST if request.method == "POST" else None)
    if find_factor(user) is None:
        return HttpResponseRedirect(reverse("account"))
    if not form.is_valid():
        text = "From then on your password alone signs you in. Your other sessions end."
        return ask(request, form, title="Turn the second factor off", text=text, label="Turn off")
    remove(user)
    end_sessions(user, but=request.session.session_key)
    note(user, "Turned the second factor off")
    messages.success(request, "Your second factor is off.")
    return HttpResponseRedirect(reverse("account"))


@never_cache
@sensitive_post_parameters()
def renew_codes(request: HttpRequest) -> HttpResponse:
    user = read_person(request)
    factor, form = find_factor(user), CodeForm(user, request.POST if request.method == "POST" else None)
    if factor is None:
        return HttpResponseRedirect(reverse("account"))
    if not form.is_valid():
        text = "You get ten new recovery codes. Those that you have now are good for nothing any more."
        return ask(request, form, title="New recovery codes", text=text, label="Make new ones")
    note(user, "Made new recovery codes")
    return show_codes(request, renew_recovery_codes(factor), back=reverse("account"))


def ask(request: HttpRequest, form: Any, **context: str) -> HttpResponse:
    return show_page(request, "keepsync/account_form.html", form=form, back=reverse("account"), **context)


def show_codes(request: HttpRequest, codes: list[str], *, back: str) -> HttpResponse:
    values = [("Recovery codes", "\n".join(codes))]
    return show_page(
        request, "keepsync/secret.html", title="Your recovery codes", warning=SHOWN_ONCE, values=values, back=back
    )


def draw(text: str) -> SafeString:
    """As an SVG picture for an `img`: black on white, also on a dark page, where no app would read it otherwise."""
    return SafeString(segno.make(text, error="m").svg_data_uri(scale=QR_SCALE, light="#fff", border=3))


# --- The second step of signing in ------------------------------------------------------------------------------------


@never_cache
@sensitive_post_parameters()
def give_code(request: HttpRequest) -> HttpResponse:
    entering = getattr(request, "entering", None)
    if entering is None or entering.lack != Lack.CODE:
        return HttpResponseRedirect(find_target(request))
    form = CodeForm(entering.user, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        context = {"form": form, "person": entering.user, "next": request.GET.get("next", "")}
        return show_page(request, "keepsync/second_factor_code.html", title="Second factor", **context)
    enter(request, entering.user, entering.user.second_factor)
    return HttpResponseRedirect(find_target(request))


def enter(request: HttpRequest, user: User, factor: SecondFactor) -> None:
    """From now on the session is the person's, under a key that nobody knew before."""
    request.session.cycle_key()
    request.session[MARK] = str(factor.pk)
    request.user = user


def read_person(request: HttpRequest) -> User:
    """Who is signed in, or is about to be. Raises PermissionDenied where that is nobody."""
    person = getattr(request, "entering", None)
    user = person.user if person else request.user
    if not (isinstance(user, User) and user.is_staff):
        raise PermissionDenied
    return user


def find_target(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is here."""
    target = request.GET.get("next", "")
    is_here = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if is_here else reverse("admin:index")


def note(user: User, message: str) -> None:
    """In the log of the person's own row."""
    LogEntry.objects.log_actions(user.pk, [user], CHANGE, change_message=message, single_object=True)


view = admin.site.admin_view
urlpatterns = [
    path("", view(show_account), name="account"),
    path("sign-out-elsewhere/", view(sign_out_elsewhere), name="sign_out_elsewhere"),
    path("second-factor/", set_up, name="second_factor_setup"),
    path("second-factor/off/", view(turn_off), name="second_factor_off"),
    path("second-factor/recovery-codes/", view(renew_codes), name="recovery_codes"),
    path("second-factor/code/", give_code, name="second_factor_code"),
]
