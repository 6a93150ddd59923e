"""Rows by the million, made by PostgreSQL itself, as they would lie in a database that has worked for 30 days.

A column for which no expression is given gets the model's default, so that new columns need nothing here.
"""

from typing import Any

from django.contrib.auth.models import User
from django.db import connection as database
from django.db import models
from django.utils import timezone

from bookings.models import Attendance, Calendar, Conflict, Meeting, MeetingLink
from contacts.models import CandidatePair, Contact, ContactLink, Identifier
from integrations.models import Attempt, Connection, Delivery, Effect, FieldWrite, WebhookSecret
from integrations.pairs import make_pair
from integrations.privacy.encryption import encrypt

CRMS = ("hubspot", "salesforce", "pipedrive")
PROVIDERS = (*CRMS, "zoom", "slack")
CALENDARS, CONFLICTS, PAIRS = 20, 500, 5_000
# A UUIDv7 of row `number` of `total` in 30 days: 48 bits of milliseconds, the version, which kind of row (one
# hexadecimal digit), and the number.
FUNCTIONS = """
CREATE FUNCTION bench_at(number bigint, total bigint) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS $$
    SELECT timestamptz %(now)s - interval '30 days' * (1 - number::float8 / total) $$;
CREATE FUNCTION bench_id(part text, number bigint, total bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
    SELECT (lpad(to_hex((extract(epoch FROM bench_at(number, total)) * 1000)::bigint), 12, '0') || '7' || part
            || '00a' || lpad(to_hex(number), 15, '0'))::uuid $$
"""
SOURCE = """
SELECT number, bench_at(number, %(count)s) AS at, bench_id(%(part)s, number, %(count)s) AS id
FROM generate_series(1, %(count)s::bigint) AS number
"""


class Filling:
    """So many rows of each kind in an empty database. Ids say by one digit of which kind a row is."""

    def __init__(self, *, deliveries: int, people: int) -> None:
        self.deliveries, self.people = deliveries, people
        self.user = User.objects.create_superuser("bench")
        self.calendar = Connection.objects.create(slug="calendar-live", provider="calendar_live")
        self.secret = WebhookSecret.objects.create(connection=self.calendar, secret="of the benchmark")
        self.others = [Connection.objects.create(slug=provider, provider=provider) for provider in PROVIDERS]
        for crm in self.others[: len(CRMS)]:
            make_pair(self.calendar, crm, "two_way")
        self.calendars = Calendar.objects.bulk_create(
            Calendar(connection=self.calendar, external_id=f"cal_{n}", name="A", timezone="UTC", seen_at=timezone.now())
            for n in range(CALENDARS)
        )
        with database.cursor() as cursor:
            cursor.execute(FUNCTIONS, {"now": timezone.now().isoformat()})

    def fill(self) -> None:
        self.add_people()
        self.add_meetings()
        self.add_deliveries()
        for part, about in (("1", "contact:' || {c}"), ("2", "meeting:' || {m}"), ("3", "meeting:' || {m}")):
            self.add_effects(part, about)
        self.add_questions()
        with database.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    # --- Kinds of rows ------------------------------------------------------------------------------------------------

    def add_deliveries(self) -> None:
        """One in a hundred is dead, one is to be tried again, and one was stale."""
        status = "CASE number %% 100 WHEN 0 THEN 'dead' WHEN 1 THEN 'retrying' WHEN 2 THEN 'stale' ELSE 'processed' END"
        causes = "(ARRAY['payload', 'bug', 'configuration'])[1 + number / 100 %% 3]"
        self.insert(
            Delivery,
            self.deliveries,
            part="0",
            connection_id="%(calendar)s",
            delivery_id="'dlv_' || number",
            secret_id="%(secret)s",
            event_type="'event.updated'",
            subject=f"'evt_' || (1 + number %% {self.people})",
            status=status,
            cause=f"CASE number %% 100 WHEN 0 THEN {causes} ELSE '' END",
            fingerprint="CASE number %% 100 WHEN 0 THEN 'f' || number %% 7 ELSE '' END",
            attempts="1",
            body="%(text)s",
            body_digest="decode(md5(number::text), 'hex')",
            received_at="at",
            processed_at="CASE WHEN number %% 100 > 1 THEN at + interval '1 second' * (number %% 9) END",
        )
        self.add_attempts("delivery_id", "0", mark="8")

    def add_effects(self, part: str, about: str) -> None:
        """One for each delivery. One in a hundred is dead, and of late one waits."""
        late = f"number > {self.deliveries - self.people}"
        subject = about.format(c=self.one_of("c"), m=self.one_of("d"))
        self.insert(
            Effect,
            self.deliveries,
            part=part,
            connection_id="(%(others)s::bigint[])[1 + number %% 5]",
            kind=f"'{about.partition(':')[0]}.upsert{part}'",
            subject=f"'{subject}",
            idempotency_key=f"'bench:{part}:' || number",
            is_state="TRUE",
            delivery_id=f"bench_id('0', number, {self.deliveries})",
            status=f"CASE WHEN number %% 100 = 0 THEN 'dead' WHEN number %% 100 = 1 AND {late} THEN 'waiting'"
            " WHEN number %% 100 = 2 THEN 'suppressed' ELSE 'succeeded' END",
            cause=f"CASE WHEN number %% 100 = 0 THEN 'permanent' WHEN number %% 100 = 1 AND {late} THEN 'reauthorise'"
            " ELSE '' END",
            fingerprint="CASE number %% 100 WHEN 0 THEN 'e' || number %% 7 ELSE '' END",
            attempts="1",
            finished_at="CASE WHEN number %% 100 > 1 THEN at + interval '1 second' * (2 + number %% 40) END",
        )
        self.add_attempts("effect_id", part, mark="9")

    def add_attempts(self, about: str, part: str, *, mark: str) -> None:
        self.insert(
            Attempt,
            self.deliveries,
            part=part,
            id=f"overlay(id::text placing '{mark}' from 20 for 1)::uuid",
            number="1",
            outcome="CASE WHEN number %% 100 > 1 THEN 'succeeded' ELSE 'failed' END",
            worker="'bench'",
            started_at="at",
            finished_at="at + interval '1 second' * (2 + number %% 40)",
            **{about: "id"},
        )

    def add_people(self) -> None:
        contact = self.one_of("c")
        self.insert(Contact, self.people, part="c", full_name="%(text)s", name_words="ARRAY[number %% 5000]")
        self.insert(
            Identifier,
            self.people,
            contact_id=contact,
            kind="'email'",
            value="%(text)s",
            index="decode(md5(number::text), 'hex')",
        )
        self.insert(
            ContactLink,
            self.people,
            contact_id=contact,
            connection_id="(%(others)s::bigint[])[1 + number %% 3]",
            external_id="'c' || number",
        )

    def add_meetings(self) -> None:
        """As many as there are people, with one of them each."""
        meeting = self.one_of("d")
        self.insert(
            Meeting,
            self.people,
            part="d",
            connection_id="%(calendar)s",
            external_id="'evt_' || number",
            calendar_event_uid="'evt_' || number || '@calendar.live'",
            version="1",
            status="CASE number %% 10 WHEN 0 THEN 'cancelled' ELSE 'confirmed' END",
            title="%(text)s",
            calendar_id=f"(%(calendars)s::bigint[])[1 + number %% {CALENDARS}]",
            start="at + interval '7 days'",
            end="at + interval '7 days 30 minutes'",
            timezone="'Europe/Paris'",
            external_created_at="at",
            external_updated_at="at",
        )
        self.insert(
            Attendance,
            self.people,
            meeting_id=meeting,
            contact_id=self.one_of("c"),
            attendee_id="'att_' || number",
            email="%(text)s",
        )
        self.insert(
            MeetingLink,
            self.people,
            meeting_id=meeting,
            connection_id="(%(others)s::bigint[])[1 + number %% 3]",
            external_id="'m' || number",
        )
        self.insert(
            FieldWrite,
            self.people,
            connection_id="%(calendar)s",
            subject=f"'meeting:' || {meeting}",
            fields="ARRAY['time', 'title']",
            verdict="(ARRAY['applied', 'blocked', 'stale'])[1 + number %% 3]",
        )

    def add_questions(self) -> None:
        """What waits for people: pairs of contacts, and double bookings."""
        self.insert(
            CandidatePair,
            min(PAIRS, self.people // 2 - 1),
            part="e",
            first_id=f"bench_id('c', 2 * number, {self.people})",
            second_id=f"bench_id('c', 2 * number + 1, {self.people})",
            reason="'similar'",
            probability="(number %% 100) / 100.0",
            verdict="'review'",
        )
        self.insert(
            Conflict,
            min(CONFLICTS, self.people // 2 - 1),
            part="f",
            kind="'double_booking'",
            meeting_id=f"bench_id('d', 2 * number, {self.people})",
            other_meeting_id=f"bench_id('d', 2 * number + 1, {self.people})",
        )

    # --- The statement ------------------------------------------------------------------------------------------------

    def insert(self, model: type[models.Model], count: int, *, part: str = "0", **given: str) -> None:
        """`given` are SQL expressions over number, at and id, by column."""
        columns, expressions, values = [], [], self.values | {"count": count, "part": part}
        for field in model._meta.concrete_fields:
            if isinstance(field, models.AutoField):
                continue
            columns.append(f'"{field.column}"')
            expressions.append(given.get(field.column or "") or find_default(field, values))
        names, made = ", ".join(columns), ", ".join(expressions)
        with database.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({names}) SELECT {made} FROM ({SOURCE}) AS rows", values
            )

    @property
    def values(self) -> dict[str, Any]:
        return {
            "calendar": self.calendar.pk,
            "secret": self.secret.pk,
            "others": [connection.pk for connection in self.others],
            "calendars": [calendar.pk for calendar in self.calendars],
            "text": encrypt(b"A text that somebody wrote"),
        }

    def one_of(self, part: str) -> str:
        return f"bench_id('{part}', 1 + number %% {self.people}, {self.people})"


def find_default(field: "models.Field[Any, Any]", values: dict[str, Any]) -> str:
    """An expression; what it needs is added to the values."""
    if field.primary_key:
        return "id"
    if getattr(field, "auto_now_add", False) or getattr(field, "auto_now", False):
        return "at"
    values[f"default_{field.column}"] = field.get_db_prep_save(field.get_default(), database)
    return f"%(default_{field.column})s"
