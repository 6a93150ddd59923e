"""Keepsync's own adapters against the sandbox, with real HTTP between them: what one writes the other must read."""

import contextlib
import smtplib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations.events import RecordChanged, RecordDeleted, RecordsMerged
from integrations.exceptions import (
    KeepsyncError,
    LostAnswerError,
    OutageError,
    RateLimitedError,
    ReauthoriseError,
    TransientError,
)
from integrations.http import limit_time
from integrations.payloads import PayloadReader
from integrations.providers.base import Account, IncomingRequest, Provider
from integrations.providers.calendar_live.provider import CalendarLive
from integrations.providers.crm import ContactPage, Crm, CrmContact, CrmMeeting, FoundMeeting, Saved
from integrations.providers.hubspot.provider import HubSpot
from integrations.providers.oauth import Grant
from integrations.providers.pipedrive.provider import Pipedrive
from integrations.providers.salesforce.provider import Salesforce
from integrations.providers.slack import client as slack
from integrations.providers.slack.provider import Slack
from integrations.providers.zoom import client as zoom
from integrations.providers.zoom.provider import Zoom
from tests.integrations.sandbox.authorising import CHALLENGE, VERIFIER
from tests.integrations.sandbox.playing import ACCESS_TOKEN
from tests.integrations.sandbox.support import Receiver, Sandbox, receiving, running_sandbox, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.slow

CRMS: dict[str, Crm] = {"hubspot": HubSpot(), "salesforce": Salesforce(), "pipedrive": Pipedrive()}
AUTHORISED: dict[str, Provider] = {**CRMS, "zoom": Zoom(), "slack": Slack(), "calendar_live": CalendarLive()}
SECRETS = {"hubspot": "hubspot-secret", "pipedrive": "user:password", "zoom": "zoom-secret"}
EMAILS = {"hubspot": "email", "salesforce": "Email", "pipedrive": "emails"}
VALUES = {
    "hubspot": {"firstname": "Zoë", "lastname": "Roe"},
    "salesforce": {"FirstName": "Zoë", "LastName": "Roe"},
    "pipedrive": {"name": "Zoë Roe"},
}
MEETINGS = {
    "hubspot": {
        "hs_meeting_title": "Demo",
        "hs_meeting_start_time": "2026-11-24T10:00:00Z",
        "hs_meeting_end_time": "2026-11-24T10:30:00Z",
    },
    "salesforce": {
        "Subject": "Demo",
        "StartDateTime": "2026-11-24T10:00:00Z",
        "EndDateTime": "2026-11-24T10:30:00Z",
    },
    "pipedrive": {"subject": "Demo", "due_date": "2026-11-24", "due_time": "10:00", "duration": "00:30"},
}

# The other two mark it by their own means.
CANCELLED = {"hubspot": {"hs_meeting_outcome": "cancelled"}}


@pytest.fixture(scope="module")
def receivers() -> Iterator[dict[str, Receiver]]:
    with receiving() as hubspot, receiving() as pipedrive, receiving() as zoom_receiver:
        yield {"hubspot": hubspot, "pipedrive": pipedrive, "zoom": zoom_receiver}


@pytest.fixture(scope="module")
def smtp_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, receivers: dict[str, Receiver], smtp_port: int
) -> Iterator[Sandbox]:
    variables = {"SANDBOX_STATE": "", "SANDBOX_SMTP_PORT": str(smtp_port)}
    for name, receiver in receivers.items():
        variables |= {f"SANDBOX_{name.upper()}_WEBHOOK_URL": receiver.url}
        variables |= {f"SANDBOX_{name.upper()}_WEBHOOK_SECRET": SECRETS[name]}
    with running_sandbox(tmp_path_factory.mktemp("adapters"), **variables) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _afresh(world: Sandbox, receivers: dict[str, Receiver]) -> None:
    for name in (*CRMS, "zoom", "slack", "mail"):
        assert world.post(f"/{name}/_sandbox/reset").status_code == 204
    for receiver in receivers.values():
        receiver.requests.clear()


def account_at(world: Sandbox, name: str) -> Account:
    credentials = {"access_token": ACCESS_TOKEN, "bot_token": ACCESS_TOKEN}
    return Account(f"{world.url}/{name}", {"channel": "#sales"}, credentials)


def turn(world: Sandbox, name: str, **knobs: object) -> None:
    answer = world.session.put(f"{world.url}/{name}/_sandbox/knobs", json=knobs, timeout=30)
    assert answer.status_code == 200, answer.text


def saved(result: Saved | KeepsyncError) -> Saved:
    assert isinstance(result, Saved), result
    return result


def save(
    world: Sandbox, name: str, key: str = "c-1", *, email: str = "zoe@example.com", may_exist: bool = False
) -> Saved:
    contact = CrmContact(key, VALUES[name] | {EMAILS[name]: email}, may_exist=may_exist, email=email)
    (result,) = CRMS[name].save_contacts(account_at(world, name), [contact])
    return saved(result)


@pytest.mark.parametrize("name", CRMS)
def test_a_meeting_is_read_back_as_it_was_saved_and_what_became_of_it_is_told(world: Sandbox, name: str) -> None:
    crm, account = CRMS[name], account_at(world, name)
    crm.prepare(account)
    meeting = CrmMeeting("m-1", MEETINGS[name], contact_ids=(save(world, name).external_id,))
    (made,) = crm.save_meetings(account, [meeting])
    linked = replace(meeting, external_id=saved(made).external_id)
    title = next(iter(MEETINGS[name]))
    (same,) = crm.read_meetings(account, [linked])
    (other,) = crm.read_meetings(account, [replace(linked, values={**MEETINGS[name], title: "Another"})])
    assert same == FoundMeeting(linked.external_id, "m-1")
    assert other == FoundMeeting(linked.external_id, "m-1", differing=(title,))
    cancelled = replace(linked, is_cancelled=True, values={**MEETINGS[name], **CANCELLED.get(name, {})})
    crm.save_meetings(account, [cancelled])
    assert crm.read_meetings(account, [cancelled]) == [FoundMeeting(linked.external_id, "m-1", is_cancelled=True)]


@pytest.mark.parametrize("name", CRMS)
def test_contacts_and_meetings_are_made_once_and_then_changed(world: Sandbox, name: str) -> None:
    crm, account = CRMS[name], account_at(world, name)
    crm.prepare(account)
    assert crm.test(account)
    made, again = save(world, name), save(world, name)
    assert (made.is_new, again.is_new, again.external_id) == (True, False, made.external_id)

    meeting = CrmMeeting("m-1", MEETINGS[name], contact_ids=(made.external_id,))
    first = saved(crm.save_meetings(account, [meeting])[0])
    known = CrmMeeting("m-1", MEETINGS[name], first.external_id, contact_ids=(made.external_id,), is_cancelled=True)
    assert saved(crm.save_meetings(account, [known])[0]).external_id == first.external_id


@pytest.mark.parametrize("name", CRMS)
def test_a_lost_answer_leaves_one_record(world: Sandbox, name: str) -> None:
    crm = CRMS[name]
    crm.prepare(account_at(world, name))
    turn(world, name, rate_lost=0.5, seed=3)
    for _ in range(8):
        try:
            save(world, name, may_exist=True)
        except OutageError:
            continue
    turn(world, name)
    made = save(world, name, may_exist=True)
    assert not made.is_new
    kind = {"hubspot": "contacts", "salesforce": "Contact", "pipedrive": "persons"}[name]
    assert world.get(f"/{name}/_sandbox/state").json()["counts"][kind] == 1


@pytest.mark.parametrize("name", CRMS)
def test_two_contacts_are_merged_and_merging_again_is_harmless(world: Sandbox, name: str) -> None:
    crm, account = CRMS[name], account_at(world, name)
    crm.prepare(account)
    one, two = save(world, name), save(world, name, "c-2", email="z.roe@example.com")
    merged = crm.merge_contacts(account, one.external_id, two.external_id)
    again = crm.merge_contacts(account, one.external_id, two.external_id)
    assert merged == again
    assert merged != two.external_id


@pytest.mark.parametrize("name", CRMS)
def test_refusals_are_read_as_what_they_are(world: Sandbox, name: str) -> None:
    crm, account = CRMS[name], account_at(world, name)
    for knobs, error in (({"is_revoked": True}, ReauthoriseError), ({"rate_429": 1}, RateLimitedError)):
        turn(world, name, **knobs)
        with pytest.raises(error):
            crm.test(account)
    turn(world, name, is_down=True)
    with limit_time(1), pytest.raises(OutageError):
        crm.test(account)


FIELDS = {
    "hubspot": ("firstname", "lastname", "company"),
    "salesforce": ("FirstName", "LastName", "Company"),
    "pipedrive": ("name",),
}


def list_all(world: Sandbox, name: str, size: int) -> list[ContactPage]:
    """Every page, each asked for again as long as the provider does not give it."""
    pages: list[ContactPage] = []
    while not pages or pages[-1].cursor:
        cursor = pages[-1].cursor if pages else ""
        with contextlib.suppress(TransientError):
            pages.append(
                CRMS[name].list_contacts(account_at(world, name), fields=FIELDS[name], cursor=cursor, size=size)
            )
    return pages


@pytest.mark.parametrize("name", CRMS)
def test_all_contacts_are_listed_page_by_page_through_faults_and_changes(world: Sandbox, name: str) -> None:
    world.post(f"/{name}/people/make/", count=330)
    turn(world, name, rate_429=0.2, rate_5xx=0.2, retry_after_s=0, seed=11)
    pages = list_all(world, name, 100)
    turn(world, name)
    contacts = [contact for page in pages for contact in page.contacts]
    assert [len(page.contacts) for page in pages] == [100, 100, 100, 30]
    assert len({contact.external_id for contact in contacts}) == 330
    assert pages[0].total == (None if name == "pipedrive" else 330)
    assert not any(page.unread for page in pages)
    assert all(contact.values[FIELDS[name][0]] and contact.created_at for contact in contacts)
    assert len({email for contact in contacts for email in contact.emails}) > 300
    assert sum(len(contact.phones) for contact in contacts) > 150
    said = {consent.is_given for contact in contacts for consent in contact.consents}
    assert said == ({True, False} if name == "pipedrive" else {False})
    assert name == "pipedrive" or {contact.values[FIELDS[name][-1]] for contact in contacts} >= {"Hooli", "Acme Ltd"}


def test_persons_are_listed_without_the_marketing_app_too(world: Sandbox) -> None:
    world.post("/pipedrive/people/make/", count=50)
    world.post("/pipedrive/marketing/turn/")
    pages = list_all(world, "pipedrive", 20)
    assert [len(page.contacts) for page in pages] == [20, 20, 10]
    assert not any(contact.consents for page in pages for contact in page.contacts)


@pytest.mark.parametrize("name", ["hubspot", "pipedrive"])
def test_what_people_do_over_there_comes_as_signed_webhooks(
    world: Sandbox, receivers: dict[str, Receiver], name: str
) -> None:
    crm = CRMS[name]
    crm.prepare(account_at(world, name))
    made = save(world, name)
    path, field = {"hubspot": ("records", "firstname"), "pipedrive": ("person", "name")}[name]
    world.post(f"/{name}/{path}/{made.external_id}/edit/", **{field: "Zoé"})
    world.post(f"/{name}/{path}/{made.external_id}/delete/")

    def read() -> list[object]:
        events: list[object] = []
        for headers, body in list(receivers[name].requests):
            request = IncomingRequest(headers=headers, body=body, uris=(receivers[name].url,))
            assert crm.verify(request, [SECRETS[name]])
            events += crm.parse(body).events
        return events

    wait_until(lambda: any(isinstance(event, RecordDeleted) for event in read()), what="the deletion")
    changes = [event for event in read() if isinstance(event, RecordChanged)]
    assert changes[0].is_new
    assert changes[-1].values[field] == "Zoé"
    assert {event.external_id for event in changes} == {made.external_id}


def test_what_people_do_in_salesforce_is_found_by_polling(world: Sandbox) -> None:
    crm, account = CRMS["salesforce"], account_at(world, "salesforce")
    since = datetime.now(tz=UTC) - timedelta(minutes=1)
    one, two, three = (save(world, "salesforce", key, email=f"{key}@example.com") for key in ("a", "b", "c"))
    world.post(f"/salesforce/rows/Contact/{one.external_id}/edit/", LastName="Doe")
    world.post(f"/salesforce/rows/Contact/{one.external_id}/merge/", other=two.external_id)
    world.post(f"/salesforce/rows/Contact/{three.external_id}/delete/")
    changes = crm.list_changes(account, since)
    found = {type(event): event for event in changes.events}
    assert changes.notes == []
    merged, deleted, changed = found[RecordsMerged], found[RecordDeleted], found[RecordChanged]
    assert isinstance(merged, RecordsMerged)
    assert (merged.survivor_id, merged.merged_ids) == (one.external_id, (two.external_id,))
    assert isinstance(deleted, RecordDeleted)
    assert deleted.external_id == three.external_id
    assert isinstance(changed, RecordChanged)
    assert changed.values["LastName"] == "Doe"


def test_a_zoom_meeting_is_found_again_after_a_lost_answer(world: Sandbox, receivers: dict[str, Receiver]) -> None:
    account = account_at(world, "zoom")
    start = datetime.now(tz=UTC) + timedelta(days=1)
    spec = zoom.MeetingSpec("mtg-1", "Demo", "Agenda", start, 30, "Europe/Paris", needs_registration=True)
    turn(world, "zoom", rate_lost=1)
    with limit_time(2), pytest.raises(LostAnswerError):
        zoom.create_meeting(account, spec, may_exist=False)
    turn(world, "zoom")
    made = zoom.create_meeting(account, spec, may_exist=True)
    person = zoom.RegistrantSpec("zoe@example.com", "Zoë", "Roe")
    one = zoom.add_registrant(account, made.external_id, person, may_exist=False)
    assert zoom.add_registrant(account, made.external_id, person, may_exist=True) == one
    zoom.update_meeting(account, made.external_id, spec)
    zoom.delete_meeting(account, made.external_id)
    assert world.get("/zoom/_sandbox/state").json()["counts"]["meetings"] == 1

    receiver = receivers["zoom"]
    wait_until(lambda: any(b"meeting.deleted" in body for _, body in receiver.requests), what="the deletion")
    for headers, body in receiver.requests:
        assert Zoom().verify(IncomingRequest(headers=headers, body=body), [SECRETS["zoom"]])


# --- Authorising ------------------------------------------------------------------------------------------------------


def authorise(world: Sandbox, adapter: Provider, **fields: str) -> Account:
    """What a connection knows after the way over the consent page, which a person takes in a browser."""
    assert adapter.oauth is not None
    base = f"{world.url}/{adapter.key}".removesuffix("/calendar_live")
    asked = {"response_type": "code", "client_id": "app", "redirect_uri": "https://k.example/", "state": "s"}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    asked |= {"scope": adapter.oauth.scope_separator.join(adapter.oauth.scopes)}
    address = f"{base}{urlsplit(adapter.oauth.authorize_url).path}"
    led = world.session.post(
        address, params=asked, data={"choice": "allow"} | fields, allow_redirects=False, timeout=30
    )
    code = parse_qs(urlsplit(led.headers["Location"]).query)["code"][0]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://k.example/"}
    grant = ask_token(world, adapter, f"{base}{urlsplit(adapter.oauth.token_url).path}", form)
    credentials = {"client_id": "app", "client_secret": "secret", "access_token": grant.access_token}
    return Account(grant.api_url or base, {}, credentials | {"refresh_token": grant.refresh_token})


def ask_token(world: Sandbox, adapter: Provider, url: str, form: dict[str, str]) -> Grant:
    assert adapter.oauth is not None
    auth = ("app", "secret") if adapter.oauth.has_basic_auth else None
    sent = form | {"code_verifier": VERIFIER} | ({} if auth else {"client_id": "app", "client_secret": "secret"})
    answer = world.session.post(url, data=sent, auth=auth, timeout=30)
    assert answer.status_code == 200, answer.text
    return adapter.read_grant(PayloadReader(answer.json(), "answer"))


@pytest.mark.parametrize("name", AUTHORISED)
def test_a_connection_is_authorised_knows_its_account_and_is_refused_after_the_end(world: Sandbox, name: str) -> None:
    adapter = AUTHORISED[name]
    one, two = authorise(world, adapter), authorise(world, adapter, account="elsewhere")
    found = [adapter.identify(account) for account in (one, two)]
    assert all(identity.account_id and identity.name for identity in found)
    assert found[0].account_id != found[1].account_id
    world.post("/calendar-live/grants/revoke/" if name == "calendar_live" else f"/{name}/grants/revoke/")
    with pytest.raises(ReauthoriseError):
        adapter.identify(one)


def test_slack_takes_messages_by_token_and_by_webhook(world: Sandbox) -> None:
    account = account_at(world, "slack")
    assert slack.post_message(account, "Hot lead")
    hook = Account(account.base_url, {}, {"webhook_url": "https://hooks.slack.com/services/T0/B0/x"})
    slack.post_message(hook, "Hot lead")
    assert world.get("/slack/_sandbox/state").json()["counts"]["messages"] == 2


def test_mail_is_taken_on_its_own_port(world: Sandbox, smtp_port: int) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Demo", "k@acme.example", "zoe@example.com"
    message.set_content("See you.")
    with smtplib.SMTP("127.0.0.1", smtp_port, timeout=30) as server:
        server.send_message(message)
    assert world.get("/mail/_sandbox/state").json()["records"]["messages"][0]["subject"] == "Demo"


def test_a_lost_answer_is_a_504_or_a_broken_connection(world: Sandbox) -> None:
    turn(world, "slack", rate_lost=1, seed=5)
    outcomes = set()
    for _ in range(20):
        try:
            headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
            answer = requests.post(f"{world.url}/slack/api/auth.test", headers=headers, timeout=30)
            outcomes.add(str(answer.status_code))
        except requests.ConnectionError:
            outcomes.add("broken")
    assert outcomes == {"504", "broken"}
    turn(world, "slack")
