"""Merges: what became one, by whom and why each value survived, and taking it back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.contrib.filters.admin import DropdownFilter
from unfold.enums import ActionVariant

from contacts.crm_merges import name_key
from contacts.models import Contact, Merge
from contacts.review_actions import user_of
from contacts.review_facts import name_rows
from contacts.review_page import REVIEW, name_connections
from contacts.review_words import LABELS, show_value
from contacts.survivorship import FIELDS, Side
from contacts.undoing import UndoReport, preview_undo, undo
from integrations.admin.base import Button, DetailAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.effect_panels import STATUS_VARIANTS
from integrations.admin.formats import NOTHING, link, link_to, show_choice, show_instant, show_label
from integrations.admin.panels import Panel, panel_on
from integrations.exceptions import KeepsyncError
from integrations.jobs import wake_planned
from integrations.models import Effect
from integrations.privacy.encryption import UnreadableValueError

MERGES_SHOWN = 20
SIDES = {Side.WINNER: "The contact that stayed", Side.LOSER: "The one that went", Side.BOTH: "Both"}


# --- Undoing, in words ------------------------------------------------------------------------------------------------


def explain_undo(merge: Merge) -> str:
    return (
        "The two become two again, whatever has happened since: each has its fields back as they were, and what came "
        "later with one of its attendees goes with it."
    )


def foresee_undo(merge: Merge) -> list[Panel]:
    try:
        report = preview_undo(merge)
    except KeepsyncError as error:
        return [Panel("What comes of it", empty=str(error))]
    two = format_html("{} and {}", link_to(report.winner), link_to(report.loser))
    return [Panel("What comes of it", rows=[["Two again", two], *describe_report(report)])]


def describe_report(report: UndoReport) -> list[tuple[str, str]]:
    """Each with its heading. No person is named."""
    later = sum(report.later.values())
    fields = ", ".join(LABELS[field] for field in report.kept)
    crms = name_connections(report.irreversible)
    return [
        ("Comes back", list_rows(report.returned) or "Nothing has to: it had nothing but its fields."),
        *([("Came since", f"{list_rows(report.later)} of the person's, which it gets as well")] if later else []),
        ("Fields", f"Kept, because they were changed since: {fields}." if fields else "Both have theirs as they were."),
        *([("Not undone", f"{crms} has one record by now: the other contact gets a new one there.")] if crms else []),
    ]


def list_rows(counts: Mapping[str, int]) -> str:
    return ", ".join(name_rows(kind, count) for kind, count in counts.items() if count)


def run_undo(request: HttpRequest, merge: Merge, values: dict[str, Any]) -> str:
    report = undo(merge, user=user_of(request))
    wake_planned()
    told = " ".join(f"{label}: {text.removesuffix('.')}." for label, text in describe_report(report))
    return f"Undone: they are two again. {told}"


UNDO = Button(
    name="undo",
    label="Undo",
    icon="undo",
    permission=REVIEW,
    explain=explain_undo,
    preview=foresee_undo,
    fits=lambda merge: merge.undone_at is None,
    run=run_undo,
    log="Undone.",
    variant=ActionVariant.PRIMARY,
)


# --- The list and the page --------------------------------------------------------------------------------------------


class UndoneFilter(DropdownFilter):
    title = "state"
    parameter_name = "undone"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "In force"), ("yes", "Undone")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Merge]) -> QuerySet[Merge]:
        chosen = {"no": True, "yes": False}
        return queryset.filter(undone_at__isnull=chosen[self.value()]) if self.value() in chosen else queryset


class MakerFilter(DropdownFilter):
    title = "made by"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "Me"), ("people", "People"), ("crms", "CRMs")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Merge]) -> QuerySet[Merge]:
        chosen = {"me": Q(user=request.user.pk), "people": Q(told_by=None), "crms": Q(told_by__isnull=False)}
        return queryset.filter(chosen[self.value()]) if self.value() in chosen else queryset


@admin.register(Merge)
class MergeAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin):
    when_empty = "Merge a pair under Pairs to review: it stands here, and can be undone."
    list_display = ("made", "who", "maker", "state")
    list_filter = (UndoneFilter, MakerFilter)
    list_select_related = ("winner", "loser", "user", "told_by")
    ordering = ("-id",)
    buttons = (UNDO,)
    fieldsets = ((None, {"fields": ("stayed", "went", "made", "maker", "delivery", "state", "undone")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Merge]:
        found: QuerySet[Merge] = super().get_queryset(request)
        return found.select_related(*self.list_select_related, "undone_by").defer("told_by__credentials")

    @admin.display(description="made")
    def made(self, merge: Merge) -> str:
        return show_instant(merge.made_at)

    @admin.display(description="who into whom")
    def who(self, merge: Merge) -> str:
        return f"{name_before(merge, 'loser')} into {name_before(merge, 'winner')}"

    @admin.display(description="stayed")
    def stayed(self, merge: Merge) -> str:
        return link_to(merge.winner, name_before(merge, "winner"))

    @admin.display(description="went into it")
    def went(self, merge: Merge) -> str:
        return link_to(merge.loser, name_before(merge, "loser"))

    @admin.display(description="by")
    def maker(self, merge: Merge) -> str:
        if merge.told_by:
            return f"{merge.told_by}, followed"
        return merge.user.get_username() if merge.user else NOTHING

    @admin.display(description="delivery")
    def delivery(self, merge: Merge) -> str:
        if merge.delivery_id is None:
            return NOTHING
        return link(reverse("admin:integrations_delivery_change", args=[merge.delivery_id]), merge.delivery_id)

    @admin.display(description="state")
    def state(self, merge: Merge) -> str:
        return show_label("Undone", "warning") if merge.undone_at else show_label("In force", "success")

    @admin.display(description="undone")
    def undone(self, merge: Merge) -> str:
        if merge.undone_at is None:
            return NOTHING
        by = f", by {merge.undone_by.get_username()}" if merge.undone_by else ""
        return f"{merge.undone_at:%Y-%m-%d %H:%M} UTC{by}"


def name_before(merge: Merge, role: str) -> str:
    """What one of the two was called before they became one."""
    contact = getattr(merge, role)
    try:
        return str(merge.before[role]["full_name"]) or f"Contact {contact.pk}"
    except (UnreadableValueError, KeyError):
        return f"Contact {contact.pk}"


@panel_on(Merge)
def show_choices(request: HttpRequest, merge: Merge) -> Panel:
    headers = ["Field", "Value", "Of", "Why", "Did not survive"]
    try:
        choices = merge.choices
    except UnreadableValueError as error:
        return Panel("What survived", empty=str(error))
    owners = [choices["owner"][key] for key in ("value", "other") if choices.get("owner", {}).get(key)]
    users = {user.pk: user.get_username() for user in User.objects.filter(pk__in=owners)}
    rows = [make_choice(field, choices[field], users) for field in FIELDS if is_known(choices.get(field))]
    return Panel("What survived", headers=headers, rows=rows)


def is_known(choice: Mapping[str, Any] | None) -> bool:
    """Whether one of the two had a value at all."""
    return choice is not None and not {choice["value"], choice["other"]} <= {"", None}


def make_choice(field: str, choice: Mapping[str, Any], users: Mapping[Any, str]) -> Sequence[object]:
    value, other = (show_value(field, choice[key], users) for key in ("value", "other"))
    is_same = value == other
    return [
        LABELS[field],
        value or NOTHING,
        "" if is_same else SIDES[Side(choice["side"])],
        capfirst(choice["reason"]),
        "" if is_same else other or NOTHING,
    ]


@panel_on(Merge)
def show_moved(request: HttpRequest, merge: Merge) -> Panel:
    counts = {kind: len(ids) for kind, ids in merge.moved.items() if isinstance(ids, list)}
    closed = len(merge.moved.get("pairs", {}).get("closed", {}))
    rows = [[name_rows(kind, count), "went to the contact that stayed"] for kind, count in counts.items() if count]
    rows += [[name_rows("pairs", closed), "closed, or led on to the contact that stayed"]] if closed else []
    return Panel("What moved", rows=rows, empty="Nothing: the contact that went had only its fields.")


@panel_on(Merge)
def show_effects(request: HttpRequest, merge: Merge) -> Panel | None:
    effects = Effect.objects.filter(idempotency_key__startswith=name_key(merge)).select_related("connection")
    rows = [
        [
            link_to(effect.connection),
            link_to(effect, "Merge of the two records"),
            show_choice(effect, "status", STATUS_VARIANTS),
        ]
        for effect in effects.defer("connection__credentials")
    ]
    return Panel("At CRMs", headers=["Connection", "Effect", "Status"], rows=rows) if rows else None


@panel_on(Contact)
def show_merges(request: HttpRequest, contact: Contact) -> Panel | None:
    merges = Merge.objects.filter(Q(winner=contact) | Q(loser=contact)).order_by("-id")
    related = merges.select_related("winner", "loser", "user", "told_by").defer("told_by__credentials")
    rows = list(make_merge_rows(contact, related[:MERGES_SHOWN]))
    headers = ["When", "What", "Contact", "By", "State", ""]
    return Panel("Merges", headers=headers, rows=rows) if rows else None


def make_merge_rows(contact: Contact, merges: Iterable[Merge]) -> Iterable[Sequence[object]]:
    for merge in merges:
        is_winner = merge.winner_id == contact.pk
        yield [
            show_instant(merge.made_at),
            "Took over" if is_winner else "Went into",
            link_to(merge.loser if is_winner else merge.winner),
            merge.told_by or merge.user or NOTHING,
            show_label("Undone", "warning") if merge.undone_at else show_label("In force", "success"),
            link_to(merge, "Look"),
        ]
