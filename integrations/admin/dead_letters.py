"""Dead letters by fingerprint: what failed in the same way is mended once, and replayed together.

Below them the effects of which nobody knows whether they arrived: those wait for a person too.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.postgres.aggregates import ArrayAgg
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Min, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString

from integrations.admin.base import BulkButton, confirm, show_page
from integrations.admin.formats import address_of_list, link, link_to, show_instant, show_label
from integrations.admin.panels import Panel
from integrations.admin.planning import address_of_planning, may_plan
from integrations.admin.replaying import DELIVERIES, EFFECTS, PROMISE, Replayable, replay_and_log
from integrations.admin.subjects import show_subject
from integrations.models import Effect
from integrations.providers import name_provider
from integrations.retries import Cause

# More in one request would outlast it. The receipt says how many are left.
REPLAYED_AT_ONCE = 10_000
GROUPS_SHOWN = 200
UNKNOWN_SHOWN = 50
WHATS_SHOWN = 3
KINDS = (DELIVERIES, EFFECTS)
DEAD = "dead"
UNKNOWN_NOTE = (
    "The answer was lost while these were being sent. They are never repeated by themselves: "
    "look over there whether each arrived, then say so on its page, or send it again."
)
UNKNOWN = {"status": Effect.Status.WAITING, "cause": Cause.UNKNOWN_OUTCOME}


@dataclass(frozen=True, slots=True)
class Group:
    kind: Replayable
    fingerprint: str
    count: int
    what: str
    connections: str
    cause: SafeString
    error: str
    first: SafeString | str
    last: SafeString | str

    @property
    def list_link(self) -> SafeString:
        address = address_of_list(self.kind.model, status__exact=DEAD, fingerprint__exact=self.fingerprint)
        return link(address, f"{self.count:,}")

    @property
    def replay_address(self) -> str:
        address = reverse(f"admin:integrations_{self.kind.name}_replay_dead_letters")
        return f"{address}?{urlencode({'fingerprint': self.fingerprint})}"

    @property
    def plan_address(self) -> str:
        return address_of_planning(
            self.kind.kind, urlencode({"status__exact": DEAD, "fingerprint__exact": self.fingerprint})
        )


@dataclass(frozen=True, slots=True)
class Section:
    """The groups of one kind, and whether they may be replayed, at once or by a plan, by who looks at them."""

    title: str
    groups: list[Group]
    may_replay: bool
    may_plan: bool

    @property
    def is_cut(self) -> bool:
        return len(self.groups) == GROUPS_SHOWN


def dead_letters(kind: Replayable) -> QuerySet[Any]:
    return kind.model.objects.filter(status=DEAD)


def find_groups(kind: Replayable) -> list[Group]:
    """The largest groups, in one query."""
    rows = (
        dead_letters(kind)
        .order_by()
        .values("fingerprint", "cause")
        .annotate(
            count=Count("pk"),
            whats=ArrayAgg(kind.what, distinct=True),
            slugs=ArrayAgg("connection__slug", distinct=True),
            providers=ArrayAgg("connection__provider", distinct=True),
            example=Max("error"),
            first=Min(kind.since),
            last=Max(kind.since),
        )
        .order_by("-count", "fingerprint")[:GROUPS_SHOWN]
    )
    return [make_group(kind, dict(row)) for row in rows]


def make_group(kind: Replayable, row: dict[str, Any]) -> Group:
    names = map(name_provider, row["providers"])
    more = [f"and {len(row['whats']) - WHATS_SHOWN} more"] if len(row["whats"]) > WHATS_SHOWN else []
    return Group(
        kind=kind,
        fingerprint=row["fingerprint"],
        count=row["count"],
        what=", ".join([*row["whats"][:WHATS_SHOWN], *more]),
        connections=f"{', '.join(row['slugs'])} ({', '.join(names)})",
        cause=show_label(Cause(row["cause"]).label if row["cause"] else "Unknown", "danger"),
        error=row["example"],
        first=show_instant(row["first"]),
        last=show_instant(row["last"]),
    )


def show_unknown() -> Panel | None:
    """The oldest effects that a person has to settle; None where there are none."""
    waiting = Effect.objects.filter(**UNKNOWN).select_related("connection").defer("connection__credentials")
    rows = [
        [
            link_to(effect, effect.kind),
            show_subject(effect.subject),
            effect.connection,
            effect.attempts,
            show_instant(effect.created_at),
        ]
        for effect in waiting.order_by("id")[:UNKNOWN_SHOWN]
    ]
    headers = ["Effect", "Subject", "Connection", "Attempts", "Planned"]
    filters = {f"{field}__exact": value for field, value in UNKNOWN.items()}
    links = [link(address_of_list(Effect, **filters), "All")]
    return Panel("Outcome unknown", headers, rows, links=links, note=UNKNOWN_NOTE) if rows else None


def may_see_dead_letters(request: HttpRequest) -> bool:
    return any(request.user.has_perm(kind.may_view) for kind in KINDS)


def list_dead_letters(request: HttpRequest) -> HttpResponse:
    if not may_see_dead_letters(request):
        raise PermissionDenied
    sections = [
        Section(
            title=kind.plural.capitalize(),
            groups=find_groups(kind),
            may_replay=request.user.has_perm(kind.may_operate),
            may_plan=may_plan(request, kind.kind),
        )
        for kind in KINDS
        if request.user.has_perm(kind.may_view)
    ]
    unknown = show_unknown() if request.user.has_perm(EFFECTS.may_view) else None
    return show_page(
        request,
        "keepsync/dead_letters.html",
        title="Dead letters",
        sections=[section for section in sections if section.groups],
        group_count=sum(len(section.groups) for section in sections),
        total=sum(group.count for section in sections for group in section.groups),
        panels=[unknown] if unknown else [],
    )


def replay_dead_letters(request: HttpRequest, *, kind: Replayable) -> HttpResponse:
    """GET asks, POST replays the group of the parameter `fingerprint`."""
    if not (request.user.has_perm(kind.may_view) and request.user.has_perm(kind.may_operate)):
        raise PermissionDenied
    group = dead_letters(kind).filter(fingerprint=request.GET.get("fingerprint", ""))
    back = reverse("admin:integrations_delivery_dead_letters")
    count = group.count()
    if request.method == "POST":
        messages.success(request, replay_group(request, kind, group, count))
        return HttpResponseRedirect(back)
    if not count:
        messages.info(request, "There are no dead letters in this group any more.")
        return HttpResponseRedirect(back)
    now = min(count, REPLAYED_AT_ONCE)
    text = (
        f"{count:,} dead letters failed in this way. "
        f"{'The first' if now < count else 'All'} {now:,} are worked on again, with a new retry schedule. {PROMISE}"
    )
    return confirm(request, button=BulkButton(f"Replay these {count:,}"), text=text, back=back)


def replay_group(request: HttpRequest, kind: Replayable, group: QuerySet[Any], count: int) -> str:
    """Replay as many as fit into one request; the receipt."""
    ids = list(group.order_by("id").values_list("pk", flat=True)[:REPLAYED_AT_ONCE])
    done = replay_and_log(request, kind, ids)
    skipped, left = len(ids) - done, count - len(ids)
    notes = [f"{skipped:,} were not queued: {kind.why_left}."] if skipped else []
    notes += [f"{left:,} are left: replay the group once more."] if left else []
    return " ".join([f"{done:,} of {count:,} dead letters are queued.", *notes])
