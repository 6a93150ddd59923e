"""An import is killed twice in its middle: everybody is brought in once, and counted once."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.installation import Installation, fresh_database
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

PEOPLE = 400
READ = "SELECT read, created, (SELECT count(*) FROM contacts_contact) FROM contacts_importrun"


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        installation = Installation(url, tmp_path)
        try:
            yield installation
        finally:
            installation.stop()


def write_file(folder: Path) -> Path:
    """Every tenth line is somebody who stood there before."""
    numbers = [number - 5 if number % 10 == 9 else number for number in range(PEOPLE)]
    path = folder / "people.csv"
    path.write_text("email\n" + "".join(f"person.{number}@example.com\n" for number in numbers))
    return path


def has_read(installation: Installation, count: int) -> bool:
    rows = installation.fetch(READ)
    return bool(rows) and rows[0][0] >= count


def test_an_import_that_is_killed_twice_brings_everybody_in_once(installation: Installation, tmp_path: Path) -> None:
    command = ["manage.py", "import_contacts", "--csv", str(write_file(tmp_path))]
    for number, enough in enumerate((100, 200)):
        resume = ["--resume"] if number else []
        group = installation.start_group(f"import-{number}", [*command, *resume], installation.environment())
        wait_for(lambda enough=enough: has_read(installation, enough), what="pages are read")  # type: ignore[misc]
        assert group.is_running(), group.read_log()
        group.kill()
        # As if its lease had run out meanwhile.
        [[read, created, contacts]] = installation.fetch(
            f"WITH over AS (UPDATE contacts_importrun SET leased_until = now() RETURNING 1) {READ}"
        )
        assert (contacts, read % 100) == (created, 0)

    told = json.loads(installation.manage(*command[1:], "--resume", "--json"))
    assert (told["status"], told["read"], told["created"], told["matched"]) == ("done", PEOPLE, 360, 40)
    assert installation.fetch(READ) == [(PEOPLE, 360, 360)]
