"""The first steps as they are shown: what is so, what comes next, and the buttons to where it is done.

A package further up adds a step of its own with `adds_step`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from integrations.admin.formats import address_of, format_utc, link, relate, show_label
from integrations.admin.secret_buttons import PAGE as SECRETS
from integrations.admin.secret_buttons import webhook_address
from integrations.first_steps import (
    Kind,
    Situation,
    find_unreachable,
    is_answering,
    read_situation,
)
from integrations.models import Connection, FirstStep
from integrations.pairs import CALENDAR
from integrations.providers import name_provider

TAKE = "integrations.change_firststep"
PATTERNS = "One-way in: the CRM follows calendar.live. One-way out: calendar.live follows the CRM. Two-way: both."


class State(StrEnum):
    DONE = "done"
    # A person's part is done; a later step proves it.
    SAID = "said"
    NEXT = "next"
    LATER = "later"


LABELS = {
    State.DONE: ("Done", "success"),
    State.SAID: ("Not proved yet", "warning"),
    State.NEXT: ("Next", "info"),
    State.LATER: ("Later", ""),
}


@dataclass(frozen=True, slots=True)
class Act:
    """A button of a step: a link to where it is done, or a form that does it."""

    label: str
    address: str
    is_form: bool = False
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """`evidence` is what shows that it is so, `todo` what comes next, `problem` what is in the way."""

    title: str
    is_done: bool
    evidence: Sequence[SafeString | str] = ()
    todo: str = ""
    problem: str = ""
    acts: Sequence[Act] = ()
    copyable: str = ""
    is_said: bool = False
    state: State = State.LATER

    @property
    def label(self) -> SafeString:
        return show_label(*LABELS[self.state])


type StepMaker = Callable[[HttpRequest, Situation], Step]

_makers: list[StepMaker] = []


def adds_step(maker: StepMaker) -> StepMaker:
    """A step after those that are known by now."""
    _makers.append(maker)
    return maker


def list_steps(request: HttpRequest) -> list[Step]:
    """With their states: the first that is not done is next. Who may not take them sees no buttons."""
    situation, is_waiting, steps = read_situation(), False, []
    for maker in _makers:
        step = maker(request, situation)
        state = read_state(step, is_waiting=is_waiting)
        is_waiting |= state == State.NEXT
        acts = step.acts if request.user.has_perm(TAKE) else ()
        steps.append(replace(step, state=state, acts=acts))
    return steps


def read_state(step: Step, *, is_waiting: bool) -> State:
    """`is_waiting`: a step before it is to be taken first."""
    if step.is_done:
        return State.DONE
    if step.is_said and not step.problem:
        return State.SAID
    return State.LATER if is_waiting else State.NEXT


# --- The steps --------------------------------------------------------------------------------------------------------


@adds_step
def connect_calendar(request: HttpRequest, situation: Situation) -> Step:
    title, calendar = "Connect calendar.live", situation.calendar
    if calendar is None:
        return Step(
            title,
            is_done=False,
            todo=(
                "Add the connection. Its webhook secret is shown once: copy it, step 4 needs it. Then authorise "
                "Keepsync at calendar.live, or give an access token."
            ),
            acts=[Act("Add the connection", address_of_new(provider=CALENDAR, slug="calendar-live"), False, True)],
        )
    return describe_connection(title, situation, calendar)


@adds_step
def connect_crm(request: HttpRequest, situation: Situation) -> Step:
    title = "Connect a CRM, or keep the built-in one"
    if situation.is_built_in:
        evidence = ["The built-in CRM: contacts and meetings are kept here.", tell(situation.find_note(Kind.BUILT_IN))]
        acts = [Act("Connect a CRM after all", address_of_new())]
        return Step(title, True, [each for each in evidence if each], acts=acts)
    if not situation.crms:
        return Step(
            title,
            is_done=False,
            todo="HubSpot, Salesforce or Pipedrive; or no other: Keepsync keeps contacts and meetings in any case.",
            acts=[
                Act("Connect a CRM", address_of_new(), is_primary=True),
                Act("Keep the built-in one", reverse("admin:integrations_firststep_built_in"), is_form=True),
            ],
        )
    answering = next((crm for crm in situation.crms if is_answering(situation, crm)), situation.crms[0])
    return describe_connection(title, situation, answering)


@adds_step
def choose_pattern(request: HttpRequest, situation: Situation) -> Step:
    title = "Choose the pattern, and look at the mapping"
    if situation.is_built_in:
        return Step(title, True, ["Nothing to choose: the built-in CRM has all that calendar.live tells."])
    if not situation.pairs:
        todo = f"Pair the two. {PATTERNS} Before it is switched on, a page shows what will happen to each field."
        return Step(
            title, False, todo=todo, acts=[Act("Pair them", reverse("admin:integrations_pair_add"), False, True)]
        )
    pair = next((each for each in situation.pairs if situation.find_note(Kind.MAPPING, each.crm)), situation.pairs[0])
    looked = tell(situation.find_note(Kind.MAPPING, pair.crm), "Mapping looked at")
    return Step(
        title,
        situation.has_pattern,
        [f"{pair}: {pair.get_pattern_display()}.", *filter(None, [looked])],
        todo="" if looked else "Look at which of our fields is which of the CRM's, and change what does not fit.",
        acts=[
            Act("Look at the mapping", address_of_step("mapping", pair.crm), is_form=True, is_primary=not looked),
            Act("Open the pair", address_of(pair)),
        ],
    )


@adds_step
def set_secret(request: HttpRequest, situation: Situation) -> Step:
    title, calendar = "Set the webhook secret", situation.calendar
    if calendar is None:
        return Step(title, False, todo="It comes with the connection to calendar.live.")
    entered = tell(situation.find_note(Kind.ENTERED, calendar), "Entered at calendar.live")
    return Step(
        title,
        is_done=situation.is_verified,
        evidence=list(describe_secret(situation, entered)),
        todo="" if situation.is_verified else explain_secret(bool(entered)),
        problem=find_secret_problem(situation, calendar),
        acts=list(list_secret_acts(situation, calendar, is_entered=bool(entered))),
        copyable=webhook_address(calendar),
        is_said=bool(entered),
    )


def describe_secret(situation: Situation, entered: str) -> Iterator[str]:
    yield f"{situation.secrets} active secret{'' if situation.secrets == 1 else 's'} here."
    if situation.verified_at:
        yield f"A signed webhook was verified {relate(situation.verified_at)}, {format_utc(situation.verified_at)}."
    elif entered:
        yield entered


def explain_secret(is_entered: bool) -> str:
    if is_entered:
        return "Send a test delivery from there, or take the next step: the test booking proves it."
    return (
        "Enter this address, and the secret, at calendar.live: it signs each webhook with it. The secret was shown "
        "once; who has not copied it adds another one."
    )


def find_secret_problem(situation: Situation, calendar: Connection) -> str:
    if not situation.secrets:
        return "There is no active secret: add one."
    if not situation.is_verified and situation.rejected:
        count = f"{situation.rejected} request{' was' if situation.rejected == 1 else 's were'}"
        return f"{count} refused: calendar.live signs with another secret. Add the one that it has, then verify again."
    return find_unreachable(calendar)


def list_secret_acts(situation: Situation, calendar: Connection, *, is_entered: bool) -> Iterator[Act]:
    is_proved = situation.is_verified
    if not is_proved and not is_entered:
        yield Act("I have entered both", address_of_step("entered", calendar), is_form=True, is_primary=True)
    yield Act("Open the secrets", address_of(calendar, SECRETS))
    if not is_proved:
        yield Act("Ask calendar.live", address_of_step("ask", calendar), is_form=True)


def describe_connection(title: str, situation: Situation, connection: Connection) -> Step:
    """One that is there: whether it has answered, and what stops it."""
    found, is_done = situation.find_note(Kind.CHECKED, connection), is_answering(situation, connection)
    name = name_provider(connection.provider)
    answered = f"{name} answers: {found.evidence}. Checked {relate(found.at)}, {format_utc(found.at)}." if found else ""
    is_stopped = connection.status != Connection.Status.ACTIVE
    return Step(
        title,
        is_done,
        [link(address_of(connection), connection.slug), *([answered] if is_done else [])],
        todo="" if is_done else "Authorise it, or give it an access token; then check that it answers.",
        problem=f"It is {connection.get_status_display().lower()}: its page says what to press." if is_stopped else "",
        acts=[
            Act("Check again" if is_done else "Check", address_of_step("check", connection), True, not is_done),
            Act("Open the connection", address_of(connection)),
        ],
    )


def tell(found: FirstStep | None, what: str = "") -> str:
    """Who has said it, and when; empty where nobody has."""
    if found is None:
        return ""
    by = f" by {found.user.get_username()}" if found.user else ""
    return f"{what or 'Chosen'}{by} {relate(found.at)}, {format_utc(found.at)}."


def address_of_new(**values: str) -> str:
    """The form of a new connection, with these values in it."""
    address = reverse("admin:integrations_connection_add")
    return f"{address}?{urlencode(values)}" if values else address


def address_of_step(name: str, connection: Connection) -> str:
    return reverse(f"admin:integrations_firststep_{name}", args=[connection.slug])
