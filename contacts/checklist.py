"""What of contacts stands on the launch checklist."""

from datetime import datetime
from secrets import token_hex

from contacts.claims import Person, Source
from contacts.models import Contact
from contacts.upserts import upsert_contact
from integrations.operations.checklist import DAY, Evidence, Section, failed, passed, proves, rolled_back
from integrations.operations.indexes import find_missing

UNIQUE = ("contact_link_external_id", "contact_link_once", "identifier_held_once")
MIGRATE = "Run manage.py migrate: it says what stands in the way."


@proves(
    "contact_upserts",
    Section.INTEGRATION,
    "The same person twice is one contact",
    why="Two workers meet the same new person at the same moment: the database must let one of them win.",
    holds=DAY,
)
def probe_contact_upserts(now: datetime) -> Evidence:
    if missing := find_missing(UNIQUE):
        return failed(f"The database lacks the unique indexes {', '.join(missing)}.", advice=MIGRATE)
    tag = token_hex(8)
    person = Person(email=f"probe-{tag}@example.com", full_name=f"Probe {tag}")
    source = Source(None, "", "", seen_at=now, reference=tag, met_at=now)
    with rolled_back():
        found = {upsert_contact(person, source).pk for _ in range(2)}
        kept = Contact.objects.filter(pk__in=found).count()
    if len(found) != 1 or kept != 1:
        told = f"A made-up person was taken in twice, and became {len(found)} contacts."
        return failed(told, advice="Run the tests of contacts against this version.")
    return passed(
        "A made-up person was taken in twice, and became one contact.",
        f"The database keeps external ids and identifiers unique: {', '.join(UNIQUE)}.",
    )
