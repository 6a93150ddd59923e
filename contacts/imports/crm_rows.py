"""All contacts of a CRM as rows of an import."""

from collections.abc import Mapping
from functools import cached_property
from math import ceil

from django.utils import timezone

from contacts.claims import Person, Source
from contacts.consent import ConsentSource, Said
from contacts.imports import cells
from contacts.imports.cells import CellError
from contacts.imports.csv_rows import SOURCE_LENGTH
from contacts.imports.rows import Answer, Details, Page, Row, RowSource, Told
from contacts.models import Consent, Contact, ImportRun
from integrations import http, mappings
from integrations.calls import use_account
from integrations.drains import TRY_S
from integrations.exceptions import RateLimitedError, SetupError
from integrations.models import Connection, Drain, FieldMapping, OwnerMapping
from integrations.providers import name_provider
from integrations.providers.crm import FoundConsent, FoundContact, UnreadContact

NOBODY = "it has no name, no e-mail address and no phone number."


class CrmSource(RowSource):
    """The cursor is the CRM's."""

    def __init__(self, run: ImportRun) -> None:
        super().__init__(run)
        if run.connection is None:
            raise SetupError("The import names no connection.")
        self.connection = run.connection
        self.provider = name_provider(self.connection.provider)
        self.crm = mappings.get_crm(self.connection)
        self.mapping = mappings.read_mapping(self.connection, FieldMapping.Record.CONTACT)
        self.consent_source = ConsentSource(self.provider, self.connection.pk)

    @cached_property
    def owners(self) -> dict[str, int]:
        """Our users' ids by theirs."""
        mapped = OwnerMapping.objects.filter(connection=self.connection)
        return dict(mapped.values_list("external_id", "user_id"))

    def read_page(self, cursor: str, start: int) -> Page:
        self.check_rest()
        fields = list(dict.fromkeys(theirs for _, theirs in self.mapping))
        with http.limit_time(TRY_S) as scope:
            page = use_account(
                self.connection,
                lambda account: self.crm.list_contacts(account, fields=fields, cursor=cursor, size=self.crm.page_size),
            )
        found = [self.read_found(each, start + place) for place, each in enumerate(page.contacts, 1)]
        unread = [self.read_unread(each, start + len(found) + place) for place, each in enumerate(page.unread, 1)]
        return Page([*found, *unread], page.cursor, page.total, scope.rest_s)

    def check_rest(self) -> None:
        """What goes out there may have been told to wait: so does this."""
        until = Drain.objects.filter(pk=self.connection.pk).values_list("held_until", flat=True).first()
        now = timezone.now()
        if until and until > now:
            raise RateLimitedError(
                f"{self.connection} rests until {until:%H:%M:%S} UTC.",
                retry_after_s=ceil((until - now).total_seconds()),
            )

    def read_unread(self, unread: UnreadContact, number: int) -> Row:
        return Row(number, {}, external_id=unread.external_id, field=unread.field, problem=unread.problem)

    def read_found(self, found: FoundContact, number: int) -> Row:
        ours = {name: text or "" for name, text in mappings.read_values(self.mapping, found.values).items()}
        person = read_person(found, ours)
        values = {**ours, "email": "; ".join(list_emails(found, ours)), "phone": "; ".join(list_phones(found, ours))}
        if not (person.full_name or person.email or person.phone):
            return Row(number, values, external_id=found.external_id, problem=NOBODY)
        told = Told(
            person,
            read_source(self.connection, found, ours),
            self.read_details(ours),
            tuple(Answer(read_said(consent)) for consent in found.consents),
        )
        return Row(number, values, told, external_id=found.external_id)

    def read_details(self, ours: Mapping[str, str]) -> Details:
        """What the CRM calls by words that we don't know is left out."""
        status = ours.get("lead_status", "").casefold()
        return Details(
            lead_status=status if status in Contact.LeadStatus.values else "",
            owner_id=self.owners.get(ours.get("owner", "")),
        )


def read_source(connection: Connection, found: FoundContact, ours: Mapping[str, str]) -> Source:
    return Source(
        connection_id=connection.pk,
        lead_source=ours.get("lead_source", "")[:SOURCE_LENGTH] or name_provider(connection.provider),
        default_region=connection.default_region,
        seen_at=found.changed_at,
        reference=f"{connection.provider}/{found.external_id}",
        met_at=found.created_at,
        is_modest=True,
    )


def read_person(found: FoundContact, ours: Mapping[str, str]) -> Person:
    emails, phones = list_emails(found, ours), list_phones(found, ours)
    zone = ours.get("timezone", "")
    return Person(
        external_id=found.external_id,
        email=emails[0] if emails else "",
        more_emails=tuple(emails[1:]),
        phone=phones[0] if phones else "",
        more_phones=tuple(phones[1:]),
        full_name=ours.get("full_name", ""),
        company=ours.get("company", ""),
        country=ours.get("country", ""),
        timezone=zone if zone in cells.time_zones() else "",
        lead_score=read_score(ours.get("lead_score", "")),
    )


def list_emails(found: FoundContact, ours: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(filter(None, (ours.get("email", ""), *found.emails))))


def list_phones(found: FoundContact, ours: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(filter(None, (ours.get("phone", ""), *found.phones))))


def read_score(text: str) -> int:
    try:
        return cells.read_score("lead_score", text.removesuffix(".0"))
    except CellError:
        return 0


def read_said(consent: FoundConsent) -> Said:
    return Said(
        Consent.Purpose.MARKETING,
        Consent.Channel(consent.channel),
        is_given=consent.is_given,
        given_at=consent.said_at,
        wording=consent.wording,
    )
