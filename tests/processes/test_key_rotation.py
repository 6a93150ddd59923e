"""The encryption key is rotated while people are written down, by a process that is killed twice: nothing is lost."""

import json
import os
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from integrations.privacy.keys import generate_key
from tests.processes.installation import Installation, fresh_database
from tests.processes.processes import Group
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

PEOPLE = 150
SEED = 20261123
ROTATION = ["manage.py", "rotate_encryption_key", "--batch", "2"]
CONTACTS = ("contacts_contact", "contacts_historicalcontact", "contacts_identifier", "contacts_historicalidentifier")
# Reads what is there with the keys of the environment: each attendee's company, and every name, also of the history.
READ = """
import json
from contacts.models import Contact, Identifier
held = Identifier.objects.filter(kind="attendee_id").select_related("contact")
names = [str(row.full_name) for row in (*Contact.objects.all(), *Contact.history.all())]
values = [str(row.value) for row in (*Identifier.objects.all(), *Identifier.history.all())]
print(json.dumps([{row.value: row.contact.company for row in held}, sorted({*names}), len(values)]))
"""


@pytest.fixture
def old_key() -> str:
    return generate_key()


@pytest.fixture
def new_key() -> str:
    return generate_key()


@pytest.fixture
def installation(tmp_path: Path, old_key: str) -> Iterator[Installation]:
    """A database of its own, with people whose rows the old key encrypts."""
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        installation = Installation(url, tmp_path, variables={"FIELD_ENCRYPTION_KEYS": old_key})
        try:
            founding = start_writer(installation, "founding")
            assert founding.leader.wait(60) == 0, founding.read_log()
            yield installation
        finally:
            installation.stop()


def start_writer(installation: Installation, name: str) -> Group:
    return installation.start_group(name, ["-m", "tests.processes.writer", str(PEOPLE)], installation.environment())


def count_rows(installation: Installation, key: str, *tables: str) -> int:
    """Rows of the tables whose first encrypted column this key has encrypted."""
    columns = {"contacts_contact": "full_name", "contacts_historicalcontact": "full_name"}
    key_id = key.partition(":")[0].encode()
    query = "SELECT count(*) FROM {} WHERE substring({}, 3, %s) = %s"
    return sum(
        installation.fetch(query.format(table, columns.get(table, "value")), len(key_id), key_id)[0][0]
        for table in tables
    )


def has_fewer_rows(installation: Installation, key: str, limit: int) -> bool:
    return count_rows(installation, key, *CONTACTS) < limit


def read_ledger(*writers: Group) -> dict[str, str]:
    """Attendee id → the company of the last upsert that was committed. A line that was cut off is none."""
    lines = [line for writer in writers for line in writer.log.read_text().splitlines(keepends=True)]
    return dict(line.split() for line in lines if line.endswith("\n"))


def read_version(writer: Group) -> int:
    """Of the last upsert that the writer has told of."""
    return max(int(company.removeprefix("Version-")) for company in read_ledger(writer).values())


def test_a_rotation_that_is_killed_twice_loses_nothing(installation: Installation, old_key: str, new_key: str) -> None:
    chance, founding = random.Random(SEED), installation.groups[0]
    installation.variables = {"FIELD_ENCRYPTION_KEYS": f"{new_key},{old_key}"}
    writer = start_writer(installation, "writer")
    wait_for(lambda: read_ledger(writer) or not writer.is_running(), what="the writer writes")

    for name in ("first", "second"):
        left = count_rows(installation, old_key, *CONTACTS)
        rotation = installation.start_group(name, ROTATION, installation.environment())
        enough = left - chance.randint(20, 150)
        wait_for(partial(has_fewer_rows, installation, old_key, enough), what="rows are rotated")
        assert rotation.is_running(), rotation.read_log()
        rotation.kill()
    assert count_rows(installation, old_key, *CONTACTS) > 0
    written = len(read_ledger(writer))

    result = json.loads(installation.manage(*ROTATION[1:], "--json"))
    assert len(read_ledger(writer)) > written
    assert writer.is_running(), writer.read_log()
    writer.stop()

    old_id = old_key.partition(":")[0]
    assert (result["left"], result["unreadable"]) == (0, 0)
    assert (result["old_keys"], result["can_remove"]) == ({old_id: 0}, [old_id])
    assert count_rows(installation, old_key, *CONTACTS) == 0
    assert count_rows(installation, new_key, "contacts_contact") > PEOPLE

    ledger = read_ledger(founding, writer)
    companies, names, values = json.loads(
        installation.manage("shell", "-v", "0", "-c", READ, FIELD_ENCRYPTION_KEYS=new_key)
    )
    # The writer may have been stopped between its last commit and the line about it.
    unsaid = {attendee: company for attendee, company in companies.items() if company != ledger.get(attendee)}
    assert list(unsaid.values()) in ([], [f"Version-{read_version(writer) + 1}"])
    assert ledger.keys() <= companies.keys()
    assert values >= 2 * len(companies)
    assert all(name.startswith("Zoe Okafor ") for name in names)
