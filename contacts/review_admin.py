"""The queue of pairs to review, in the admin: the list, the page of each pair, and what is done on them."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter

from contacts import review_actions, review_bulk
from contacts.models import CandidatePair, Contact
from contacts.review import find_claimant
from contacts.review_actions import find_pair, may_review
from contacts.review_page import STATUS_VARIANTS, find_last_merge, read_filters, show_review
from contacts.review_queue import ORDER, count_members, list_due, list_grouped, list_postponed
from contacts.review_words import show_evidence, show_score, show_verdict
from integrations.admin.base import Admin, LongList, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import NOTHING, link_to, show_choice, show_instant
from integrations.admin.panels import Panel, panel_on

PAIRS_SHOWN = 50
Status = CandidatePair.Status


class StateFilter(DropdownFilter):
    """Without a choice: what waits for a decision today."""

    title = "state"
    parameter_name = "state"
    all_option = ["", "To review"]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("postponed", "Put off"), ("distinct", "Not a duplicate"), ("merged", "Merged"), ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CandidatePair]) -> QuerySet[CandidatePair]:
        state = self.value()
        if state in (Status.DISTINCT, Status.MERGED):
            return queryset.filter(status=state)
        if state == "all":
            return queryset
        return list_postponed(queryset) if state == "postponed" else list_due(queryset)


class AssignedFilter(DropdownFilter):
    title = "assigned to"
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "Me"), ("nobody", "Nobody")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CandidatePair]) -> QuerySet[CandidatePair]:
        chosen = {"me": request.user.pk, "nobody": None}
        return queryset.filter(assigned_to=chosen[self.value()]) if self.value() in chosen else queryset


class GroupFilter(DropdownFilter):
    title = "group"
    parameter_name = "grouped"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In a group of more than two")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[CandidatePair]) -> QuerySet[CandidatePair]:
        return list_grouped(queryset) if self.value() == "yes" else queryset


class PairList(LongList):
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """With the sizes of the groups, for all rows at once."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        sizes = count_members({pair.cluster for pair in self.result_list if pair.cluster})
        for pair in self.result_list:
            pair.group_size = sizes.get(pair.cluster, 0)


@admin.register(CandidatePair)
class CandidatePairAdmin(ReadOnlyMixin, review_bulk.ReviewActions, LongListMixin, Admin):
    when_empty = "No two contacts look like the same person. Pairs come here as contacts are compared."
    list_display = ("contacts", "score", "evidence_shown", "why", "group", "who", "state", "found")
    list_filter = (
        StateFilter,
        ("verdict", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        AssignedFilter,
        GroupFilter,
    )
    list_select_related = ("first", "second", "assigned_to", "claimed_by")
    list_before_template = "keepsync/review_queue.html"
    ordering = ORDER
    show_facets = admin.ShowFacets.NEVER

    def get_list_display(self, request: HttpRequest) -> list[str]:
        """Without a choice of states all are to review."""
        shown = super().get_list_display(request)
        return [name for name in shown if name != "state" or request.GET.get(StateFilter.parameter_name)]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LongList]:
        return PairList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        narrowed = {key.removesuffix("__exact"): value for key, value in request.GET.dict().items()}
        context = {
            "may_review": may_review(request),
            "filters": read_filters(narrowed),
            "last_merge": find_last_merge(request),
            **(extra_context or {}),
        }
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        pair = find_pair(object_id)
        if not self.has_view_permission(request, pair) or request.method != "GET":
            raise PermissionDenied
        return show_review(request, pair)

    def get_urls(self) -> list[Any]:
        view, prefix = self.admin_site.admin_view, "contacts_candidatepair"
        return [
            path("next/", view(review_actions.review_next), name=f"{prefix}_next"),
            path("merge-certain/", view(review_bulk.merge_certain), name=f"{prefix}_merge_certain"),
            path("<path:object_id>/group/", view(review_bulk.merge_group), name=f"{prefix}_group"),
            *(
                path(
                    f"<path:object_id>/{action.name}/",
                    view(partial(review_actions.act, action=action)),
                    name=f"{prefix}_{action.name}",
                )
                for action in review_actions.ACTIONS
            ),
            *super().get_urls(),
        ]

    @admin.display(description="contacts")
    def contacts(self, pair: CandidatePair) -> str:
        lines = ((name(contact),) for contact in (pair.first, pair.second))
        return format_html_join("", '<span class="pair-name">{}</span>', lines)

    @admin.display(description="score")
    def score(self, pair: CandidatePair) -> str:
        return format_html('<span class="whitespace-nowrap">{}</span><br>{}', show_score(pair), show_verdict(pair))

    @admin.display(description="evidence")
    def evidence_shown(self, pair: CandidatePair) -> str:
        return show_evidence(pair)

    @admin.display(description="reason")
    def why(self, pair: CandidatePair) -> str:
        return format_html('<span class="pair-reason">{}</span>', pair.get_reason_display())

    @admin.display(description="group")
    def group(self, pair: Any) -> str:
        return f"{pair.group_size} contacts" if pair.group_size > 2 else NOTHING

    @admin.display(description="with whom")
    def who(self, pair: CandidatePair) -> str:
        claimant = find_claimant(pair)
        if claimant:
            return f"{claimant.get_username()}, until {pair.claimed_until:%H:%M} UTC"
        return f"For {pair.assigned_to.get_username()}" if pair.assigned_to else NOTHING

    @admin.display(description="status")
    def state(self, pair: CandidatePair) -> str:
        return show_choice(pair, "status", STATUS_VARIANTS)

    @admin.display(description="found")
    def found(self, pair: CandidatePair) -> str:
        return show_instant(pair.created_at)


def name(contact: Contact) -> str:
    return contact.full_name or f"Contact {contact.pk}"


@panel_on(Contact)
def show_pairs(request: HttpRequest, contact: Contact) -> Panel | None:
    mine = Q(first=contact) | Q(second=contact)
    pairs = CandidatePair.objects.filter(mine, status=Status.OPEN).select_related("first", "second").order_by(*ORDER)
    rows = [
        [
            link_to(pair.second if pair.first_id == contact.pk else pair.first),
            show_score(pair),
            pair.get_reason_display(),
            show_instant(pair.created_at),
            link_to(pair, "Review"),
        ]
        for pair in pairs[:PAIRS_SHOWN]
    ]
    headers = ["Contact", "Score", "Why", "Since", ""]
    return Panel("May be the same person", headers=headers, rows=rows) if rows else None
