"""What can be done on the page of a pair. Each is a POST; the next pair follows, claimed for whoever decided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import AbstractBaseUser, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contacts import review
from contacts.exceptions import ChangedError, ReviewError
from contacts.models import CandidatePair, Merge
from contacts.review_page import DAYS, REVIEW, read_filters, review_address
from contacts.review_queue import claim_next
from contacts.survivorship import FIELDS, Side
from integrations.admin.formats import address_of, address_of_list, read_uuid
from integrations.exceptions import KeepsyncError
from integrations.jobs import wake_planned

VIEW = "contacts.view_candidatepair"
EMPTY = "No pair waits for you: all are decided, postponed, or with somebody else."
LAST = "This is the last one of the queue for you."

type Receipt = SafeString | str


@dataclass(frozen=True, slots=True)
class Action:
    """At `…/<id>/<name>/`. `run` does it, and returns the receipt. `goes_on`: the next pair follows, else the same."""

    name: str
    run: Callable[[HttpRequest, CandidatePair], Receipt]
    log: str = ""
    goes_on: bool = True


def may_review(request: HttpRequest) -> bool:
    return request.user.has_perm(REVIEW) and request.user.has_perm(VIEW)


def load_pair(object_id: str) -> CandidatePair | None:
    key = read_uuid(object_id)
    rows = CandidatePair.objects.select_related("first__owner", "second__owner", "claimed_by", "decided_by")
    return rows.filter(pk=key).first() if key else None


def find_pair(object_id: str) -> CandidatePair:
    """Raises Http404 where there is none."""
    pair = load_pair(object_id)
    if pair is None:
        raise Http404
    return pair


def act(request: HttpRequest, object_id: str, *, action: Action) -> HttpResponse:
    """A GET changes nothing, and leads to the page."""
    if not may_review(request):
        raise PermissionDenied
    filters, pair = read_filters(request.POST.dict()), load_pair(object_id)
    if pair is None:
        messages.warning(request, review.GONE)
        return HttpResponseRedirect(address_of_list(CandidatePair))
    here = HttpResponseRedirect(review_address(pair, filters))
    if request.method != "POST":
        return here
    try:
        receipt = action.run(request, pair)
    except ChangedError as error:
        messages.warning(request, str(error))
        return HttpResponseRedirect(review_address(pair, filters, stays=request.POST.get("winner", "")))
    except KeepsyncError as error:
        messages.error(request, str(error))
        return here
    if action.log:
        log(request, pair, action.log)
    if receipt:
        messages.success(request, receipt)
    return go_on(request, filters, after=pair) if action.goes_on else here


def log(request: HttpRequest, row: Model, message: str) -> None:
    """Under the ids: a row's name is nobody's."""
    LogEntry.objects.log_actions(cast(User, request.user).pk, [row], CHANGE, message, single_object=True)


def user_of(request: HttpRequest) -> AbstractBaseUser:
    return cast(AbstractBaseUser, request.user)


# --- From one to the next ---------------------------------------------------------------------------------------------


def go_on(request: HttpRequest, filters: Mapping[str, str], *, after: CandidatePair | None = None) -> HttpResponse:
    """To the next pair behind this one, or else the first of the queue; to the list where there is none."""
    user = user_of(request)
    pair = claim_next(user, filters, after=after) or (claim_next(user, filters) if after else None)
    if pair is None:
        messages.info(request, EMPTY)
        return HttpResponseRedirect(address_of_list(CandidatePair))
    if after is not None and pair.pk == after.pk:
        messages.info(request, LAST)
    return HttpResponseRedirect(review_address(pair, filters))


def review_next(request: HttpRequest) -> HttpResponse:
    """The button of the list."""
    if not may_review(request):
        raise PermissionDenied
    if request.method != "POST":
        return HttpResponseRedirect(address_of_list(CandidatePair))
    return go_on(request, read_filters(request.POST.dict()))


# --- What is done -----------------------------------------------------------------------------------------------------


def merge_both(request: HttpRequest, pair: CandidatePair) -> Receipt:
    wanted = read_uuid(request.POST.get("winner", ""))
    winner = next((each for each in (pair.first, pair.second) if each.pk == wanted), None)
    if winner is None:
        raise ReviewError("Say which of the two stays.")
    made = review.merge_pair(
        pair,
        user_of(request),
        winner=winner,
        choices=read_choices(request.POST.dict()),
        seen=request.POST.get("seen", ""),
    )
    wake_planned()
    return format_html("Merged. {}", link_undo(made))


def read_choices(values: Mapping[str, Any]) -> dict[str, Side]:
    """Field → side, of those that the form knows; what is no side is left out."""
    given = {field: str(values.get(f"choice_{field}")) for field in FIELDS}
    allowed = {field: {*Side} if field == "notes" else {Side.WINNER, Side.LOSER} for field in FIELDS}
    return {field: Side(side) for field, side in given.items() if side in allowed[field]}


def link_undo(made: Merge) -> SafeString:
    return format_html(
        '<a href="{}" class="font-semibold underline" data-key="u">Undo</a> <kbd class="key">u</kbd>',
        address_of(made, "undo"),
    )


def say_distinct(request: HttpRequest, pair: CandidatePair) -> Receipt:
    review.decide_distinct(pair, user_of(request))
    return link_back("Not a duplicate: that holds until one of them changes in what they are compared by.", pair)


def postpone(request: HttpRequest, pair: CandidatePair) -> Receipt:
    names = {str(days): (days, name) for days, name in DAYS}
    days, name = names.get(request.POST.get("days", ""), DAYS[0])
    review.postpone(pair, user_of(request), days=days)
    return link_back(f"Put off {name}.", pair)


def link_back(text: str, pair: CandidatePair) -> SafeString:
    return format_html('{} <a href="{}" class="font-semibold underline">Look at it again</a>', text, address_of(pair))


def put_back(request: HttpRequest, pair: CandidatePair) -> Receipt:
    review.put_back(pair, user_of(request))
    return "It is in the queue again."


def claim(request: HttpRequest, pair: CandidatePair) -> Receipt:
    review.claim(pair, user_of(request))
    return ""


def release(request: HttpRequest, pair: CandidatePair) -> Receipt:
    review.release(pair, user_of(request))
    return ""


ACTIONS = (
    Action("merge", merge_both, log="Merged."),
    Action("distinct", say_distinct, log="Not a duplicate."),
    Action("postpone", postpone, log="Put off."),
    Action("skip", release),
    Action("claim", claim, goes_on=False),
    Action("release", release, goes_on=False),
    Action("put-back", put_back, log="Put back into the queue.", goes_on=False),
)
