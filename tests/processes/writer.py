"""A process that meets people and writes them down, until it is stopped: `python -m tests.processes.writer PEOPLE`.

Each line of its output is one upsert that is committed: the attendee's id, and the company that he has since.
"""

import random
import sys
from itertools import count

import django

django.setup()

from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from contacts.claims import Person, Source  # noqa: E402
from contacts.upserts import upsert_contact  # noqa: E402
from integrations.models import Connection  # noqa: E402
from tests.factories import make_connection  # noqa: E402


def meet(connection: Connection, number: int, company: str) -> None:
    person = Person(f"att_{number}", f"zoe{number}@okafor.example", full_name=f"Zoe Okafor {number}", company=company)
    source = Source(connection.pk, "calendar.live", "FR", timezone.now(), company)
    with transaction.atomic():
        upsert_contact(person, source)
    print(person.attendee_id, company, flush=True)


def main(people: int) -> None:
    """Everybody once, then anybody, a tenth of them for the first time."""
    connection = Connection.objects.first() or make_connection()
    chosen = random.Random(20261123)
    if not connection.identifier_set.exists():
        for number in range(people):
            meet(connection, number, "Founded")
        return
    for version in count(1):
        number = chosen.randrange(people) if chosen.random() < 0.9 else people + version
        meet(connection, number, f"Version-{version}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
