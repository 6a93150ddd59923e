"""Many pairs at once: the selected ones of the list, all that are certain, and a whole group. Each is shown first."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminSelectWidget

from contacts import review
from contacts.merged_fields import foresee, read_values
from contacts.merging import Preview, preview_all
from contacts.models import CandidatePair, Contact, Merge
from contacts.review import Batch, choose_winner, find_other, is_free
from contacts.review_actions import find_pair, go_on, log, may_review, user_of
from contacts.review_facts import name_rows
from contacts.review_page import DAYS, REVIEW, name_connections, read_filters, review_address
from contacts.review_queue import ORDER, find_group, list_due
from contacts.review_words import LABELS, show_score, show_value
from contacts.survivorship import FIELDS
from integrations.admin.base import BulkButton, confirm, show_page
from integrations.admin.formats import address_of, address_of_list, link, link_to, read_uuid
from integrations.admin.panels import Panel
from integrations.exceptions import KeepsyncError
from integrations.jobs import wake_planned

# More in one request would outlast it, and nobody would read a longer preview.
MERGED_AT_ONCE = 100
GROUP_AT_ONCE = 20
LEFT_SHOWN = 5
NOBODY = "-"


# --- The selected ones ------------------------------------------------------------------------------------------------


class AssignForm(forms.Form):
    to = forms.ChoiceField(label="Assign to", widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reviewers = User.objects.with_perm(REVIEW).filter(is_staff=True).order_by("username")
        named = [(str(user.pk), user.get_username()) for user in reviewers]
        self.fields["to"] = forms.ChoiceField(
            label="Assign to", choices=[*named, (NOBODY, "Nobody")], widget=UnfoldAdminSelectWidget
        )


class PostponeForm(forms.Form):
    days = forms.TypedChoiceField(label="Put off", choices=DAYS, coerce=int, widget=UnfoldAdminSelectWidget)


class ReviewActions:
    """The actions of the list, for those who may review."""

    actions: Sequence[str] = ("merge_selected", "distinct_selected", "postpone_selected", "assign_selected")

    def has_review_permission(self, request: HttpRequest) -> bool:
        return may_review(request)

    @admin.action(description="Merge the certain ones of the selected pairs", permissions=["review"])
    def merge_selected(self, request: HttpRequest, queryset: QuerySet[CandidatePair]) -> HttpResponse:
        return show_certain(request, load(queryset))

    @admin.action(description="Say that the selected pairs are no duplicates", permissions=["review"])
    def distinct_selected(self, request: HttpRequest, queryset: QuerySet[CandidatePair]) -> HttpResponse | None:
        pairs = load(queryset)
        text = (
            f"The contacts of {len(pairs)} pairs are two people each. That holds until one of them changes in what "
            "they are compared by."
        )
        if "confirmed" not in request.POST:
            return ask(request, "distinct_selected", pairs, button="Not duplicates", text=text)
        batch = review.decide_each(pairs, lambda pair: review.decide_distinct(pair, user_of(request)))
        tell(request, batch, "are no duplicates", log_as="Not a duplicate.")
        return None

    @admin.action(description="Put the selected pairs off", permissions=["review"])
    def postpone_selected(self, request: HttpRequest, queryset: QuerySet[CandidatePair]) -> HttpResponse | None:
        pairs = load(queryset)
        form = PostponeForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            text = f"{len(pairs)} pairs leave the queue for so long, and come back by themselves."
            return ask(request, "postpone_selected", pairs, button="Put off", text=text, form=form)
        put_off = partial(review.postpone, user=user_of(request), days=form.cleaned_data["days"])
        tell(request, review.decide_each(pairs, put_off), "are put off", log_as="Put off.")
        return None

    @admin.action(description="Assign the selected pairs", permissions=["review"])
    def assign_selected(self, request: HttpRequest, queryset: QuerySet[CandidatePair]) -> HttpResponse | None:
        pairs = load(queryset)
        form = AssignForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            text = f"{len(pairs)} pairs come up for this person only, before all others."
            return ask(request, "assign_selected", pairs, button="Assign", text=text, form=form)
        to = User.objects.filter(pk=form.cleaned_data["to"]).first() if form.cleaned_data["to"] != NOBODY else None
        count = review.assign([pair.pk for pair in pairs], to)
        for pair in pairs:
            log(request, pair, f"Assigned to {to or 'nobody'}.")
        messages.success(request, f"{count} of {len(pairs)} pairs are assigned to {to or 'nobody'}.")
        return None


def load(pairs: QuerySet[CandidatePair]) -> list[CandidatePair]:
    return list(pairs.select_related("first", "second"))


def ask(
    request: HttpRequest, action: str, pairs: Iterable[CandidatePair], *, button: str, text: str, form: Any = None
) -> HttpResponse:
    keys = ((ACTION_CHECKBOX_NAME, pair.pk) for pair in pairs)
    return confirm(
        request,
        button=BulkButton(button),
        text=text,
        form=form,
        back=request.get_full_path(),
        hidden=[("action", action), ("confirmed", "yes"), *keys],
    )


def tell(request: HttpRequest, batch: Batch, outcome: str, *, log_as: str) -> None:
    """The receipt of many: how many were done, and why the others were left."""
    for pair in batch.done:
        log(request, pair, log_as)
    total = len(batch.done) + len(batch.left)
    level = messages.SUCCESS if batch.done else messages.WARNING
    messages.add_message(request, level, f"{len(batch.done)} of {total} pairs {outcome}.")
    for pair, reason in batch.left[:LEFT_SHOWN]:
        messages.warning(request, format_html("{} was left: {}", link_to(pair, "A pair"), reason))
    if len(batch.left) > LEFT_SHOWN:
        messages.warning(request, f"{len(batch.left) - LEFT_SHOWN} more were left for reasons like these.")


# --- The certain ones -------------------------------------------------------------------------------------------------


def list_certain(request: HttpRequest) -> QuerySet[CandidatePair]:
    certain = CandidatePair.objects.filter(is_free(user_of(request)), verdict=CandidatePair.Verdict.CERTAIN)
    return list_due(certain).order_by(*ORDER)


def merge_certain(request: HttpRequest) -> HttpResponse:
    """GET shows the first ones of the queue; POST merges those that were shown."""
    if not may_review(request):
        raise PermissionDenied
    if request.method != "POST":
        return show_certain(request, load(list_certain(request)[:MERGED_AT_ONCE]))
    keys = [key for key in map(read_uuid, request.POST.getlist("pair")) if key][:MERGED_AT_ONCE]
    pairs = load(CandidatePair.objects.filter(pk__in=keys).order_by(*ORDER))
    batch = review.merge_certain(pairs, user_of(request))
    wake_planned()
    tell(request, batch, "are merged", log_as="Merged, as certain.")
    left = list_certain(request).count()
    more = format_html("{} certain ones are still in the queue. ", f"{left:,}") if left else ""
    messages.info(request, format_html("{}{}", more, link(address_of_list(Merge), "All merges, to be undone")))
    return HttpResponseRedirect(address_of_list(CandidatePair))


def show_certain(request: HttpRequest, pairs: Sequence[CandidatePair]) -> HttpResponse:
    open_pairs = [pair for pair in pairs if pair.status == CandidatePair.Status.OPEN]
    certain = [pair for pair in open_pairs if pair.verdict == CandidatePair.Verdict.CERTAIN][:MERGED_AT_ONCE]
    if not certain:
        messages.info(request, "None of these pairs is certain: look at each, and decide.")
        return HttpResponseRedirect(address_of_list(CandidatePair))
    winners = [choose_winner([pair.first, pair.second]) for pair in certain]
    couples = [(winner, find_other(pair, winner)) for pair, winner in zip(certain, winners, strict=True)]
    previews = preview_all(couples)
    rows = [
        [
            link(address_of(pair), show_score(pair)),
            describe(winner),
            describe(loser),
            describe_changes(winner, found),
            describe_moves(found),
            name_connections(found.irreversible),
        ]
        for pair, (winner, loser), found in zip(certain, couples, previews, strict=True)
    ]
    headers = ["Score", "Stays", "Goes into it", "Takes over", "Moves", "One for good at"]
    return show_page(
        request,
        "keepsync/review_certain.html",
        title=f"Merge {len(certain)} certain pairs",
        panels=[Panel("What becomes one", headers, rows)],
        pairs=certain,
        left=len(pairs) - len(certain),
        irreversible=sum(1 for found in previews if found.irreversible),
        back=address_of_list(CandidatePair),
    )


def describe(contact: Contact) -> str:
    named = contact.full_name or "(no name)"
    return link_to(contact, f"{named}, {contact.company}" if contact.company else named)


def describe_changes(winner: Contact, found: Preview) -> str:
    """The fields that the winner has from the other one."""
    taken = [LABELS[field] for field, choice in found.choices.items() if choice.value != read_values(winner)[field]]
    return ", ".join(taken) or "Nothing"


def describe_moves(found: Preview) -> str:
    moving = [name_rows(kind, count) for kind, count in found.moves.items() if count and kind != "candidate pairs"]
    return ", ".join(moving) or "Nothing"


# --- A group ----------------------------------------------------------------------------------------------------------


def merge_group(request: HttpRequest, object_id: str) -> HttpResponse:
    """GET shows what all of the pair's group would become; POST does it."""
    if not may_review(request):
        raise PermissionDenied
    pair = find_pair(object_id)
    group = find_group(pair)
    here = HttpResponseRedirect(review_address(pair, read_filters(request.GET.dict())))
    if group is None or pair.cluster is None:
        messages.info(request, "This pair is no part of a group any more.")
        return here
    if group.is_cut or len(group.contacts) > GROUP_AT_ONCE:
        messages.error(request, f"A group of more than {GROUP_AT_ONCE} is not merged at once: go through its pairs.")
        return here
    wanted = read_uuid(request.POST.get("winner") or request.GET.get("stays") or "")
    winner = next((each for each in group.contacts if each.pk == wanted), group.contacts[0])
    if request.method != "POST":
        return show_group(request, pair, group.contacts, winner)
    try:
        members = [key for key in map(read_uuid, request.POST.getlist("member")) if key]
        made = review.merge_cluster(pair.cluster, user_of(request), members=members, winner=winner)
    except KeepsyncError as error:
        messages.error(request, str(error))
        return here
    wake_planned()
    log(request, pair, f"Merged all {len(members)} of its group.")
    undo = link(address_of_list(Merge), "each of them can be undone")
    messages.success(request, format_html("{} contacts became one, in {} merges: {}.", len(members), len(made), undo))
    return go_on(request, read_filters(request.POST.dict()))


def show_group(request: HttpRequest, pair: CandidatePair, contacts: Sequence[Contact], winner: Contact) -> HttpResponse:
    losers = [each for each in contacts if each.pk != winner.pk]
    previews = dict(zip([each.pk for each in losers], preview_all([(winner, each) for each in losers]), strict=True))
    users = {user.pk: user.get_username() for user in User.objects.filter(contact__in=contacts)}
    values = foresee(winner, losers)
    return show_page(
        request,
        "keepsync/review_group.html",
        title=f"Merge all {len(contacts)} of the group",
        pair=pair,
        winner=winner,
        contacts=[(each, describe(each), previews.get(each.pk)) for each in contacts],
        panels=[
            Panel(
                "Who is in it",
                headers=["Contact", "Made", "Moves", "One for good at", ""],
                rows=[make_member(pair, each, winner, previews.get(each.pk)) for each in contacts],
            ),
            Panel(
                "What they become",
                rows=[[LABELS[field], show_value(field, values[field], users) or "-"] for field in FIELDS],
            ),
        ],
        irreversible=any(found.irreversible for found in previews.values()),
        back=address_of(pair),
    )


def make_member(pair: CandidatePair, contact: Contact, winner: Contact, found: Preview | None) -> list[object]:
    stays = f"{address_of(pair, 'group')}?stays={contact.pk}"
    return [
        describe(contact),
        f"{contact.created_at:%Y-%m-%d}",
        describe_moves(found) if found else "Stays",
        name_connections(found.irreversible) if found else "",
        link(stays, "Let this one stay") if contact.pk != winner.pk else "",
    ]
