"""Who gets a new lead: the members of a pool in turn, those who are away left out."""

from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef

from contacts.models import Absence, PoolMember


def take_turn(now: datetime) -> User | None:
    """The member whose turn it is, and who has had it then. None where the pool is empty or all are away.

    Runs in the caller's transaction; two at once wait for each other, so that each member's turn counts once.
    """
    if not list(PoolMember.objects.order_by("id").select_for_update(no_key=True).values_list("pk")):
        return None
    today = now.astimezone(UTC).date()
    away = Absence.objects.filter(member=OuterRef("pk"), first_day__lte=today, last_day__gte=today)
    here = PoolMember.objects.filter(~Exists(away), is_active=True, user__is_active=True).select_related("user")
    member = here.order_by(F("last_assigned_at").asc(nulls_first=True), "id").first()
    if member is None:
        return None
    PoolMember.objects.filter(pk=member.pk).update(last_assigned_at=now)
    return member.user
