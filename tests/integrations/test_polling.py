"""CRMs that are polled: what they answer becomes a delivery, once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from integrations.deliveries import process
from integrations.events import RecordChanged, RecordDeleted, RecordKind, RecordsMerged
from integrations.exceptions import OutageError, ReauthoriseError
from integrations.jobs import poll_connection, poll_connections
from integrations.models import Connection, Delivery, Pair, Poll
from integrations.pairs import make_pair
from integrations.polling import list_polled, poll
from integrations.providers.crm import Changes
from integrations.providers.salesforce.provider import Salesforce
from tests.factories import make_connection

CHANGED_AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
UNTIL = datetime(2026, 11, 20, 10, tzinfo=UTC)
EVENTS = (
    RecordChanged("contact.created", RecordKind.CONTACT, "003000000000001AAA", {"Phone": "+33"}, CHANGED_AT, True),
    RecordDeleted("meeting.deleted", RecordKind.MEETING, "00U000000000001AAA", CHANGED_AT),
    RecordsMerged("contact.merged", RecordKind.CONTACT, "003000000000001AAA", ("003000000000002AAA",), CHANGED_AT),
)


@pytest.fixture
def org(calendar_live: Connection) -> Connection:
    connection = make_connection("org", provider="salesforce", base_url="https://acme.my.salesforce.com")
    make_pair(calendar_live, connection, Pair.Pattern.IN)
    return connection


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Changes | Exception]:
    """What the org answers, one after the other; nothing new after that."""
    given: list[Changes | Exception] = []

    def list_changes(self: Salesforce, account: object, since: datetime) -> Changes:
        answer = given.pop(0) if given else Changes()
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Salesforce, "list_changes", list_changes)
    return given


def test_polled_events_are_read_back_as_they_were():
    parsed = Salesforce().parse(Salesforce().write_delivery(EVENTS))
    assert tuple(parsed.events) == EVENTS
    assert parsed.is_known


def test_the_first_poll_only_remembers_from_when_on_to_ask(org, answers):
    answers.append(Changes(EVENTS, UNTIL))
    assert poll(org.pk) is None
    assert Poll.objects.get().asked_until > timezone.now() - timedelta(minutes=1)
    assert len(answers) == 1


def test_what_changed_becomes_a_delivery_that_is_worked_on_once(org, answers):
    poll(org.pk)
    answers += [Changes(EVENTS, UNTIL, ["Contact has no field Phone."]), Changes(EVENTS, UNTIL)]
    delivery_id = poll(org.pk)
    assert delivery_id is not None
    assert poll(org.pk) is None
    assert Poll.objects.get().asked_until == UNTIL
    process(delivery_id)
    [delivery] = Delivery.objects.all()
    assert (delivery.status, delivery.event_type) == ("processed", "batch")


@pytest.mark.parametrize("error", [OutageError("away"), ReauthoriseError("401")])
def test_a_poll_that_fails_asks_again_from_where_it_was(org, answers, error):
    poll(org.pk)
    before = Poll.objects.get().asked_until
    answers.append(error)
    poll_connection(org.pk)
    assert Poll.objects.get().asked_until == before
    org.refresh_from_db()
    is_refused = isinstance(error, ReauthoriseError)
    assert org.status == ("needs_reauthorisation" if is_refused else "active")


def test_the_job_queues_a_delivery_with_news(org, answers):
    poll_connection(org.pk)
    assert not OrmQ.objects.exists()
    answers.append(Changes(EVENTS, UNTIL))
    poll_connection(org.pk)
    assert OrmQ.objects.count() == 1


def test_active_paired_connections_that_can_be_polled_are_asked_by_schedule(org, answers):
    make_connection("lonely", provider="salesforce", base_url="https://b.my.salesforce.com")
    make_pair(Connection.objects.get(slug="calendar-live"), make_connection("hub", provider="hubspot"), "in")
    assert list_polled() == [org.pk]
    poll_connections()
    assert OrmQ.objects.count() == 1
    assert Schedule.objects.get(name="poll").func == "integrations.jobs.poll_connections"
