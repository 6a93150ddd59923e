"""Dead letters by fingerprint: what failed in the same way is mended once, and replayed together."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import batched
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.postgres.aggregates import ArrayAgg
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Min, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from integrations.admin.base import BulkButton, confirm, show_page
from integrations.admin.delivery_buttons import OPERATE
from integrations.admin.formats import address_of_list, link, show_instant, show_label
from integrations.jobs import replay_deliveries
from integrations.models import Delivery
from integrations.providers import PROVIDERS
from integrations.retries import Cause

BATCH = 1000
# More in one request would outlast it. The receipt says how many are left.
REPLAYED_AT_ONCE = 10_000
GROUPS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Group:
    fingerprint: str
    count: int
    connections: str
    cause: SafeString
    error: str
    first_received: SafeString | str
    last_received: SafeString | str

    @property
    def list_link(self) -> SafeString:
        address = address_of_list(Delivery, status__exact=Delivery.Status.DEAD, fingerprint__exact=self.fingerprint)
        return link(address, f"{self.count:,}")

    @property
    def replay_address(self) -> str:
        address = reverse("admin:integrations_delivery_replay_dead_letters")
        return f"{address}?{urlencode({'fingerprint': self.fingerprint})}"


def dead_letters() -> QuerySet[Delivery]:
    return Delivery.objects.filter(status=Delivery.Status.DEAD)


def find_groups() -> list[Group]:
    """The largest groups, in one query."""
    rows = (
        dead_letters()
        .order_by()
        .values("fingerprint", "cause")
        .annotate(
            count=Count("pk"),
            slugs=ArrayAgg("connection__slug", distinct=True),
            providers=ArrayAgg("connection__provider", distinct=True),
            example=Max("error"),
            first=Min("received_at"),
            last=Max("received_at"),
        )
        .order_by("-count", "fingerprint")[:GROUPS_SHOWN]
    )
    return [make_group(dict(row)) for row in rows]


def make_group(row: dict[str, Any]) -> Group:
    names = [PROVIDERS[key].name if key in PROVIDERS else key for key in row["providers"]]
    return Group(
        fingerprint=row["fingerprint"],
        count=row["count"],
        connections=f"{', '.join(row['slugs'])} ({', '.join(names)})",
        cause=show_label(Cause(row["cause"]).label if row["cause"] else "Unknown", "danger"),
        error=row["example"],
        first_received=show_instant(row["first"]),
        last_received=show_instant(row["last"]),
    )


def list_dead_letters(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("integrations.view_delivery"):
        raise PermissionDenied
    groups = find_groups()
    return show_page(
        request,
        "keepsync/dead_letters.html",
        title="Dead letters",
        groups=groups,
        total=sum(group.count for group in groups),
        is_cut=len(groups) == GROUPS_SHOWN,
        may_replay=request.user.has_perm(OPERATE),
    )


def replay_dead_letters(request: HttpRequest) -> HttpResponse:
    """GET asks, POST replays the group of the parameter `fingerprint`."""
    if not (request.user.has_perm("integrations.view_delivery") and request.user.has_perm(OPERATE)):
        raise PermissionDenied
    group = dead_letters().filter(fingerprint=request.GET.get("fingerprint", ""))
    back = reverse("admin:integrations_delivery_dead_letters")
    count = group.count()
    if request.method == "POST":
        ids = list(group.order_by("id").values_list("pk", flat=True)[:REPLAYED_AT_ONCE])
        done = replay_and_log(request, ids)
        left = count - len(ids)
        rest = f" {left:,} are left: replay the group once more." if left else ""
        messages.success(request, f"{done:,} of {count:,} dead letters are queued.{rest}")
        return HttpResponseRedirect(back)
    if not count:
        messages.info(request, "There are no dead letters in this group any more.")
        return HttpResponseRedirect(back)
    now = min(count, REPLAYED_AT_ONCE)
    text = (
        f"{count:,} dead letters failed in this way. "
        f"{'The first' if now < count else 'All'} {now:,} are worked on again, with a new retry schedule. "
        "What they did already is not done twice; earlier attempts stay on record."
    )
    return confirm(request, button=BulkButton(f"Replay these {count:,}"), text=text, back=back)


def replay_and_log(request: HttpRequest, ids: Iterable[UUID]) -> int:
    """Replay in batches, each with its jobs and its log. Returns how many were replayed."""
    done, user = 0, cast(User, request.user)
    for batch in batched(ids, BATCH):
        replayed = replay_deliveries(Delivery.objects.filter(pk__in=batch))
        rows = Delivery.objects.filter(pk__in=replayed).only("delivery_id")
        LogEntry.objects.log_actions(user.pk, rows, CHANGE, "Replayed")
        done += len(replayed)
    return done
