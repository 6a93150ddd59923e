"""The page of one pair: both contacts side by side, what a merge would make of them, and why they may be one person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from contacts.merged_fields import read_values
from contacts.merging import Preview, preview
from contacts.models import CandidatePair, Contact, Merge
from contacts.review import choose_winner, find_claimant, find_other, sign_state
from contacts.review_facts import SHOWN, Fact, Kind, list_kinds, name_rows
from contacts.review_queue import FILTERS, Group, find_group
from contacts.review_words import (
    LABELS,
    MARKED,
    list_evidence,
    mark_words,
    show_score,
    show_value,
    show_verdict,
)
from contacts.survivorship import FIELDS, Choice, Side
from integrations.admin.base import show_page
from integrations.admin.formats import address_of, address_of_list, link, link_to, show_instant, show_label
from integrations.admin.panels import Panel
from integrations.models import Connection
from integrations.privacy.encryption import show_unreadable

REVIEW = "contacts.review_candidatepair"
STATUS_VARIANTS = {CandidatePair.Status.OPEN: "warning", CandidatePair.Status.MERGED: "success"}
# How long the merge that somebody made last is offered to be undone.
UNDO_OFFERED = timedelta(hours=12)
DAYS = ((1, "until tomorrow"), (7, "for a week"), (30, "for a month"))
DECISIONS_SHOWN = 20
GROUP_SHOWN = 20

type Cells[T] = tuple[T, T]


@dataclass(frozen=True, slots=True)
class Option:
    """A value of one of the two, to be chosen."""

    side: Side
    shown: SafeString | str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field of both contacts, in the columns' order. Without options both have the same value."""

    name: str
    label: str
    options: Sequence[Option]
    same: str
    reason: str
    may_keep_both: bool
    keeps_both: bool


@dataclass(frozen=True, slots=True)
class Had:
    """What both have of one kind, line by line with whether both have it, and in words what a merge does with it."""

    title: str
    columns: Cells[list[tuple[Fact, bool]]]
    outcome: str


def read_filters(values: Mapping[str, str]) -> dict[str, str]:
    """By what whoever reviews has narrowed the queue, from an address or a form. What is no filter is left out."""
    return {field: values[field] for field, known in FILTERS.items() if values.get(field) in known}


def review_address(pair: CandidatePair, filters: Mapping[str, str], **more: str) -> str:
    query = urlencode({**filters, **more})
    return f"{address_of(pair)}?{query}" if query else address_of(pair)


@show_unreadable()
def show_review(request: HttpRequest, pair: CandidatePair) -> HttpResponse:
    filters = read_filters(request.GET.dict())
    is_one = any(contact.merged_into_id for contact in (pair.first, pair.second))
    return show_page(
        request,
        "keepsync/review.html",
        title="Are these two one person?",
        pair=pair,
        filters=filters,
        days=DAYS,
        last_merge=find_last_merge(request),
        queue=address_of_list(CandidatePair, **{f"{field}__exact": value for field, value in filters.items()}),
        panels=[*show_group(pair, filters), show_decisions(pair)],
        **describe_finding(pair),
        **describe_claim(request, pair),
        **(describe_merged(pair) if is_one else compare(request, pair, filters)),
    )


def describe_finding(pair: CandidatePair) -> dict[str, Any]:
    return {
        "is_open": pair.status == CandidatePair.Status.OPEN,
        "is_postponed": pair.postponed_until is not None and pair.postponed_until > timezone.now(),
        "state": show_label(pair.get_status_display(), STATUS_VARIANTS.get(CandidatePair.Status(pair.status), "")),
        "score": show_score(pair),
        "verdict": show_verdict(pair),
        "evidence": list_evidence(pair),
    }


def describe_claim(request: HttpRequest, pair: CandidatePair) -> dict[str, Any]:
    """Who looks at it, and whether the one who asks may decide."""
    claimant, may_review = find_claimant(pair), request.user.has_perm(REVIEW)
    is_mine = claimant is not None and claimant.pk == request.user.pk
    is_free = pair.status == CandidatePair.Status.OPEN and (claimant is None or is_mine)
    return {
        "claimant": claimant,
        "is_mine": is_mine,
        "may_review": may_review,
        "may_decide": may_review and is_free,
    }


# --- Side by side -----------------------------------------------------------------------------------------------------


def compare(request: HttpRequest, pair: CandidatePair, filters: Mapping[str, str]) -> dict[str, Any]:
    contacts = pair.first, pair.second
    winner = read_winner(request, pair)
    loser = find_other(pair, winner)
    found = preview(winner, loser)
    return {
        "winner": winner,
        "contacts": [(contact, contact == winner) for contact in contacts],
        "swap_address": review_address(pair, filters, stays=str(loser.pk)),
        "fields": make_fields(contacts, winner, found),
        "kinds": list_had(contacts, found),
        "irreversible": name_connections(found.irreversible),
        "seen": sign_state(found, *contacts),
    }


def read_winner(request: HttpRequest, pair: CandidatePair) -> Contact:
    """Who stays, as the address says, else as is usual."""
    contacts = pair.first, pair.second
    wanted = request.GET.get("stays")
    return next((each for each in contacts if str(each.pk) == wanted), choose_winner(contacts))


def make_fields(contacts: Cells[Contact], winner: Contact, found: Preview) -> list[Field]:
    values = [read_values(contact) for contact in contacts]
    users = {contact.owner_id: str(contact.owner) for contact in contacts if contact.owner_id}
    shown = [{field: show_value(field, each[field], users) for field in FIELDS} for each in values]
    return [
        make_field(field, (shown[0][field], shown[1][field]), found.choices[field], is_first=winner == contacts[0])
        for field in FIELDS
    ]


def make_field(name: str, texts: Cells[str], choice: Choice, *, is_first: bool) -> Field:
    """`is_first`: whether the winner stands in the first column."""
    is_same = texts[0] == texts[1]
    sides = (Side.WINNER, Side.LOSER) if is_first else (Side.LOSER, Side.WINNER)
    options = [
        Option(side, mark_words(mine, other) if name in MARKED and mine and other else mine, side == choice.side)
        for side, mine, other in zip(sides, texts, reversed(texts), strict=True)
    ]
    return Field(
        name=name,
        label=LABELS[name],
        options=[] if is_same else options,
        same=texts[0],
        reason=choice.reason,
        may_keep_both=name == "notes" and all(texts) and not is_same,
        keeps_both=choice.side == Side.BOTH,
    )


def list_had(contacts: Cells[Contact], found: Preview) -> list[Had]:
    return [make_had(kind, contacts, found) for kind in list_kinds()]


def make_had(kind: Kind, contacts: Cells[Contact], found: Preview) -> Had:
    facts = kind.find([contact.pk for contact in contacts])
    first, second = (facts.get(contact.pk, []) for contact in contacts)
    both = {fact.key for fact in first} & {fact.key for fact in second}
    columns = [[(fact, fact.key in both) for fact in column[:SHOWN]] for column in (first, second)]
    left_out = max(0, len(first) - SHOWN) + max(0, len(second) - SHOWN)
    moving = found.moves.get(kind.name, 0)
    parts = [
        *([name_rows(kind.name, moving) + (" moves" if moving == 1 else " move")] if moving else []),
        *([f"{name_rows(kind.name, len(both))} of each become one"] if kind.is_united and both else []),
        *([f"{left_out} more are not shown"] if left_out else []),
    ]
    return Had(kind.title, (columns[0], columns[1]), "; ".join(parts) or "Nothing moves")


def name_connections(connections: Sequence[Connection]) -> str:
    names = [str(connection) for connection in connections]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def describe_merged(pair: CandidatePair) -> dict[str, Any]:
    """Of two who are one by now there is nothing to compare."""
    contacts = pair.first, pair.second
    made = find_merge(pair)
    return {"contacts": [(contact, False) for contact in contacts], "merge": made}


def find_merge(pair: CandidatePair) -> Merge | None:
    """The merge that has closed the pair, and still counts."""
    merges = Merge.objects.filter(loser__in=[pair.first_id, pair.second_id], undone_at=None)
    closed = (each for each in merges if str(pair.pk) in each.moved.get("pairs", {}).get("closed", {}))
    return next(closed, None)


def find_last_merge(request: HttpRequest) -> Merge | None:
    """What this person has merged last, as long as it can be meant by "undo"."""
    since = timezone.now() - UNDO_OFFERED
    return Merge.objects.filter(user=request.user.pk, made_at__gte=since, undone_at=None).order_by("-id").first()


# --- Panels -----------------------------------------------------------------------------------------------------------


def show_group(pair: CandidatePair, filters: Mapping[str, str]) -> list[Panel]:
    group = find_group(pair)
    if group is None:
        return []
    others = [each for each in group.pairs if each.pk != pair.pk]
    rows = [
        [
            link_to(each.first, each.first.full_name or "(no name)"),
            link_to(each.second, each.second.full_name or "(no name)"),
            show_score(each),
            show_verdict(each),
            link(review_address(each, filters), "Review"),
        ]
        for each in others[:GROUP_SHOWN]
    ]
    return [
        Panel(
            f"{describe_size(group)} may be one person",
            headers=["Contact", "Contact", "Score", "Verdict", ""],
            rows=rows,
            links=[link(address_of(pair, "group"), "Merge all of the group")],
            note="The other pairs of the group.",
        )
    ]


def describe_size(group: Group) -> str:
    return f"{len(group.contacts)}{' or more' if group.is_cut else ''} contacts"


def show_decisions(pair: CandidatePair) -> Panel:
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(CandidatePair), object_id=str(pair.pk)
    )
    return Panel(
        "What was decided",
        headers=["When", "Who", "What"],
        rows=[
            [show_instant(entry.action_time), entry.user.get_username(), entry.get_change_message()]
            for entry in entries.select_related("user").order_by("-action_time")[:DECISIONS_SHOWN]
        ],
        empty="Nobody has decided anything about this pair yet.",
    )
