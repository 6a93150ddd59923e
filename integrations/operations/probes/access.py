"""Whether somebody has looked at who may do what."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from rest_framework.authtoken.models import Token as ApiToken
from rest_framework.authtoken.models import TokenProxy

from integrations import second_factors
from integrations.operations.checklist import DAY, Evidence, Section, failed, passed, proves
from integrations.operations.pages import list_of
from integrations.roles import NAMES

# More administrators than these are not one team's.
SUPERUSERS = 5


def list_access() -> list[Any]:
    """Who may sign in, and as what; and who has an API token."""
    staff = User.objects.filter(is_active=True).filter(Q(is_staff=True) | Q(is_superuser=True)).order_by("pk")
    return [
        list(staff.order_by("pk", "groups__name").values_list("pk", "is_superuser", "groups__name")),
        list(ApiToken.objects.order_by("user").values_list("user", flat=True)),
    ]


@proves(
    "access",
    Section.LAUNCH,
    "Only those have access who need it",
    why="Accounts and tokens that nobody uses are what others get in by.",
    holds=DAY,
    attests=list_access,
)
def probe_access(now: object) -> Evidence:
    """What is certainly wrong a program sees; that all others are right, a person says."""
    active = User.objects.filter(is_active=True)
    if left := ApiToken.objects.exclude(user__is_active=True).count():
        told = f"{left} API token{'' if left == 1 else 's'} of users who may not sign in any more."
        return failed(
            told,
            advice="They are refused, but would work again with the user: delete them.",
            address=list_of(TokenProxy),
        )
    administrators = active.filter(is_superuser=True).count()
    if not 0 < administrators <= SUPERUSERS:
        told = f"{administrators} active superusers: there should be at least one, and at most {SUPERUSERS}."
        return failed(told, advice="Give roles by groups instead.", address=list_of(User, is_superuser__exact=1))
    roles = ", ".join(f"{active.filter(groups__name=name).count()} {name.lower()}s" for name in NAMES)
    return passed(
        f"{administrators} superusers; {roles}; {ApiToken.objects.count()} API tokens, each of an active user.",
        f"{second_factors.list_without().count()} of those who may sign in have no second factor.",
        address=list_of(User),
    )
