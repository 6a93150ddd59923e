"""Bringing records to HubSpot in batches, in such a way that a bad one never holds back the others.

1. Inputs that name the same record go in batches after each other: HubSpot refuses a batch that names one twice.
2. Each result is matched to its input by the id or the unique property that HubSpot returns with it.
3. An input that got no result is sent once more alone, because HubSpot's errors need not name their input: then the
   answer is certainly its own. The same is done with all of a batch that was refused as a whole.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    LostAnswerError,
    MissingError,
    PermanentError,
    RateLimitedError,
    SetupError,
    TransientError,
)
from integrations.providers.base import Account
from integrations.providers.crm import CrmContact, CrmMeeting, CrmRecord, Saved
from integrations.providers.hubspot import client
from integrations.providers.hubspot.client import BatchAnswer, Found
from integrations.providers.hubspot.errors import NAME, ExistsError, explain_part
from integrations.providers.hubspot.mapping import CONTACTS, EMAIL, KEY, MEETINGS, write_contact, write_meeting

type Result = Saved | KeepsyncError
type Send = Callable[[Sequence[Mapping[str, Any]]], BatchAnswer]


@dataclass(frozen=True, slots=True)
class Input:
    """One record of a batch, as it is sent; `name` is what says which of the results is its own."""

    key: str
    name: str
    body: Mapping[str, Any]


# --- Batches ----------------------------------------------------------------------------------------------------------


def send_inputs(send: Send, inputs: Sequence[Input], read_name: Callable[[Found], str]) -> dict[str, Result]:
    """Results by the inputs' keys. Raises what concerns all of them."""
    results: dict[str, Result] = {}
    waiting = list(inputs)
    while waiting:
        batch = {each.name: each for each in reversed(waiting)}
        results.update(send_batch(send, list(reversed(batch.values())), read_name))
        waiting = [each for each in waiting if batch[each.name] is not each]
    return results


def send_batch(send: Send, inputs: Sequence[Input], read_name: Callable[[Found], str]) -> dict[str, Result]:
    """The same where no name stands twice."""
    if len(inputs) == 1:
        return {inputs[0].key: send_alone(send, inputs[0])}
    try:
        found = {read_name(each): each for each in send([each.body for each in inputs]).found}
    except (PermanentError, RateLimitedError) as error:
        raise_common(error)
        found = {}
    results = {each.key: saved(found[each.name]) for each in inputs if each.name in found}
    return results | {each.key: send_alone(send, each) for each in inputs if each.key not in results}


def send_alone(send: Send, each: Input) -> Result:
    try:
        answer = send([each.body])
    except (PermanentError, RateLimitedError) as error:
        raise_common(error)
        return error
    if answer.found:
        return saved(answer.found[0])
    if answer.errors:
        return explain_part(answer.errors[0], each.body)
    return LostAnswerError(f"{NAME} does not say what came of the record.")


def raise_common(error: PermanentError | RateLimitedError) -> None:
    """Raise what every record would meet with: a set-up that lacks something, and a limit that all of them share."""
    if isinstance(error, SetupError) or (isinstance(error, RateLimitedError) and error.holds_connection):
        raise error


def saved(found: Found) -> Saved:
    return Saved(found.id, found.is_new)


def read_id(found: Found) -> str:
    return found.id


def read_key(found: Found) -> str:
    return found.properties.get(KEY, "")


def read_email(found: Found) -> str:
    return found.properties.get(EMAIL, "").casefold()


def update_records(account: Account, kind: str, bodies: Mapping[str, Mapping[str, Any]]) -> dict[str, Result]:
    """`bodies` are `{id, properties}` by key."""
    inputs = [Input(key, body["id"], body) for key, body in bodies.items()]
    return send_inputs(lambda bodies: client.update_batch(account, kind, bodies), inputs, read_id)


# --- Contacts ---------------------------------------------------------------------------------------------------------


def save_contacts(account: Account, contacts: Sequence[CrmContact]) -> list[Result]:
    """Known ones by their id, the others by their address or, without one, by our id. A deleted one is made anew."""
    known = {
        each.key: {"id": each.external_id, "properties": write_contact(each, is_update=True)}
        for each in contacts
        if each.external_id
    }
    results = update_records(account, CONTACTS, known)
    rest = [each for each in contacts if isinstance(results.get(each.key), MissingError | None)]
    return in_order(contacts, results | upsert_contacts(account, rest))


def upsert_contacts(account: Account, contacts: Sequence[CrmContact]) -> dict[str, Result]:
    def send(bodies: Sequence[Mapping[str, Any]]) -> BatchAnswer:
        return client.upsert_batch(account, CONTACTS, bodies)

    by_email = [write_upsert(each, EMAIL, each.email) for each in contacts if each.email]
    by_key = [write_upsert(each, KEY, each.key) for each in contacts if not each.email]
    results = send_inputs(send, by_email, read_email) | send_inputs(send, by_key, read_key)
    return results | update_existing(account, contacts, results)


def write_upsert(contact: CrmContact, unique: str, value: str) -> Input:
    """With all of its properties: by address HubSpot supports no upsert of a part of them."""
    properties = write_contact(contact) | {unique: value}
    body = {"id": value, "idProperty": unique, "properties": properties}
    return Input(contact.key, value.casefold() if unique == EMAIL else value, body)


def update_existing(
    account: Account, contacts: Sequence[CrmContact], results: Mapping[str, Result]
) -> dict[str, Result]:
    """Those that HubSpot refuses to make because a contact that it names is there: that one is updated."""
    bodies = {
        each.key: {"id": found.external_id, "properties": write_contact(each)}
        for each in contacts
        if isinstance(found := results[each.key], ExistsError)
    }
    return update_records(account, CONTACTS, bodies)


# --- Meetings ---------------------------------------------------------------------------------------------------------


def save_meetings(account: Account, meetings: Sequence[CrmMeeting]) -> list[Result]:
    """Known ones by their id, and those that an earlier try may have made by our id; the others are made.

    A limit or an outage that is met in the middle is the result of what is left: what is done stays done. A large batch
    would never come to its end otherwise, since each contact of a meeting is a call of its own.
    """
    results: dict[str, Result] = {}
    try:
        bring_meetings(account, meetings, results)
    except TransientError as error:
        if not any(isinstance(result, Saved) for result in results.values()):
            raise
        results |= {each.key: error for each in meetings if not isinstance(results.get(each.key), Saved)}
    return in_order(meetings, results)


def bring_meetings(account: Account, meetings: Sequence[CrmMeeting], results: dict[str, Result]) -> None:
    """Add the results one after the other."""
    known = {each.key: each.external_id for each in meetings if each.external_id}
    update_meetings(account, meetings, known, results, is_partial=True)
    gone = {key for key, result in results.items() if isinstance(result, MissingError)}
    rest = [each for each in meetings if each.key in gone or each.key not in results]
    sought = [each for each in rest if each.may_exist or each.key in gone]
    update_meetings(account, sought, find_meetings(account, sought), results)
    made = [each for each in rest if isinstance(results.get(each.key), MissingError | None)]
    create_meetings(account, made, results)


def find_meetings(account: Account, meetings: Sequence[CrmMeeting]) -> dict[str, str]:
    return client.find_by_key(account, MEETINGS, [each.key for each in meetings]) if meetings else {}


def update_meetings(
    account: Account,
    meetings: Sequence[CrmMeeting],
    ids: Mapping[str, str],
    results: dict[str, Result],
    *,
    is_partial: bool = False,
) -> None:
    """Those whose ids are given, with their contacts; `is_partial` leaves out what the linked records hold already."""
    updated = {each.key: each for each in meetings if each.key in ids}
    bodies = {
        key: {"id": ids[key], "properties": write_meeting(each, is_update=is_partial)} for key, each in updated.items()
    }
    for key, result in update_records(account, MEETINGS, bodies).items():
        results[key] = associate_contacts(account, updated[key], result)


def associate_contacts(account: Account, meeting: CrmMeeting, result: Result) -> Result:
    """The result, or what kept the contacts from being told."""
    if not isinstance(result, Saved):
        return result
    try:
        for contact_id in meeting.contact_ids:
            client.associate(account, result.external_id, contact_id)
    except MissingError:
        return ConflictError(f"{NAME} no longer has a contact who attends this meeting: sync the contact again.")
    except (PermanentError, RateLimitedError) as error:
        raise_common(error)
        return error
    return result


def create_meetings(account: Account, meetings: Sequence[CrmMeeting], results: dict[str, Result]) -> None:
    """One that turns out to exist, because our id is unique over there, is updated."""
    inputs = [Input(each.key, each.key, write_creation(each)) for each in meetings]
    answers = send_inputs(lambda bodies: client.create_batch(account, MEETINGS, bodies), inputs, read_key)
    made = {key: Saved(each.external_id, is_new=True) for key, each in answers.items() if isinstance(each, Saved)}
    refused = [each for each in meetings if isinstance(answers[each.key], PermanentError)]
    results |= answers | made
    update_meetings(account, refused, find_meetings(account, refused), results)


def write_creation(meeting: CrmMeeting) -> dict[str, Any]:
    associations = [{"to": {"id": each}, "types": [client.MEETING_TO_CONTACT]} for each in meeting.contact_ids]
    return {"properties": write_meeting(meeting), "associations": associations}


def in_order(records: Sequence[CrmRecord], results: Mapping[str, Result]) -> list[Result]:
    return [results[each.key] for each in records]
