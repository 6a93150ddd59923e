"""Encrypting everything with a new key: nothing is left out, nothing is lost, and what is left is said."""

import io
import json
import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database

from bookings.models import Meeting
from contacts.models import Contact
from integrations.exceptions import StateError
from integrations.models import Authorisation, Connection, Delivery, Token, WebhookSecret
from integrations.privacy import key_rotation
from integrations.privacy.encryption import decrypt, encrypt
from integrations.privacy.key_rotation import list_tables, rotate
from integrations.sign_ins import Visit, count_try
from tests.factories import make_payload, receive

K1, K2, K3 = ({name: os.urandom(32)} for name in ("k1", "k2", "k3"))
# Digests and blind indexes: made with no key of FIELD_ENCRYPTION_KEYS.
NOT_ENCRYPTED = {
    ("integrations_signincount", "key"),
    ("bookings_bookingrequest", "body_digest"),
    ("bookings_bookingrequest", "key_digest"),
    ("contacts_contact", "name_company"),
    ("contacts_identifier", "index"),
    ("contacts_importseen", "index"),
    ("integrations_authorisation", "session_digest"),
    ("integrations_authorisation", "state_digest"),
    ("integrations_delivery", "body_digest"),
    ("integrations_recoverycode", "digest"),
}


@pytest.fixture(autouse=True)
def keys(settings: Any) -> Any:
    settings.FIELD_ENCRYPTION_KEYS = K1
    return settings


def run(*arguments: str) -> tuple[dict[str, Any], int]:
    """What `--json` prints, and the exit status."""
    printed, status = io.StringIO(), 0
    try:
        call_command("rotate_encryption_key", "--json", *arguments, stdout=printed, stderr=io.StringIO())
    except CommandError as error:
        status = error.returncode
    return json.loads(printed.getvalue()), status


def tell(*arguments: str) -> tuple[str, str]:
    """Standard output and error of a run that ends well or not."""
    printed, said = io.StringIO(), io.StringIO()
    try:
        call_command("rotate_encryption_key", *arguments, stdout=printed, stderr=said)
    except CommandError as error:
        said.write(str(error))
    return printed.getvalue(), said.getvalue()


def fetch(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with database.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def read_key_ids() -> set[str]:
    """Of all encrypted values of the database."""
    found = set()
    for table in list_tables():
        for column in table.columns:
            for (value,) in fetch(f"SELECT {column} FROM {table.name} WHERE {column} IS NOT NULL"):
                found.add(bytes(value)[2:4].decode())
    return found


def fill(connection: Connection) -> None:
    """A row in every table with encrypted columns that a booking does not fill."""
    receive(make_payload())
    now = Delivery.objects.get().received_at
    Token.objects.create(connection=connection, access_token="tok", refresh_token="ref", obtained_at=now)
    Authorisation.objects.create(
        connection=connection, state_digest=b"s" * 32, session_digest=b"t" * 32, verifier="verifier"
    )
    count_try(Visit("admin", "192.0.2.7"))


# --- What is rotated --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_no_binary_column_of_the_database_is_left_out() -> None:
    columns = fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND data_type = 'bytea'"
    )
    known = {(table.name, column) for table in list_tables() for column in table.columns}

    assert set(columns) - known == NOT_ENCRYPTED
    assert known <= set(columns)
    assert ("contacts_historicalcontact", "full_name") in known


@pytest.mark.django_db
def test_everything_is_encrypted_with_the_new_key_and_reads_as_before(calendar_live: Connection, keys: Any) -> None:
    fill(calendar_live)
    before = read_everything()
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    result, status = run()
    keys.FIELD_ENCRYPTION_KEYS = K2

    assert status == 0
    assert result["unreadable"] == result["left"] == 0
    assert (result["old_keys"], result["can_remove"]) == ({"k1": 0}, ["k1"])
    assert result["rows"] == result["reencrypted"] > 10
    assert read_key_ids() == {"k2"}
    assert read_everything() == before


def read_everything() -> list[Any]:
    contact, meeting, delivery = Contact.objects.order_by("id")[0], Meeting.objects.get(), Delivery.objects.get()
    return [
        (contact.full_name, contact.company, contact.updated_at, contact.history.count()),
        [identifier.value for identifier in contact.identifiers.all()],
        (meeting.title, meeting.answers, meeting.calendar.name, meeting.updated_at, meeting.history.get().title),
        (bytes(delivery.body), delivery.headers),
        (Token.objects.get().access_token, Token.objects.get().refresh_token, Authorisation.objects.get().verifier),
        (Connection.objects.get().credentials, Connection.objects.get().updated_at, WebhookSecret.objects.get().secret),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("batch", ["1", "3", "1000"])
def test_batches_of_any_size_see_every_row(batch: str, keys: Any) -> None:
    for number in range(7):
        Contact.objects.create(full_name=f"Zoe {number}")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    result, _ = run("--batch", batch)

    assert (result["rows"], result["reencrypted"], read_key_ids()) == (14, 14, {"k2"})


@pytest.mark.django_db
def test_rows_that_are_done_are_not_written_again(keys: Any) -> None:
    Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    run()
    before = fetch("SELECT xmin, ctid, full_name FROM contacts_contact")
    result, status = run()

    assert (result["reencrypted"], status) == (0, 0)
    assert fetch("SELECT xmin, ctid, full_name FROM contacts_contact") == before


@pytest.mark.django_db
def test_of_a_row_only_the_values_of_old_keys_are_written(keys: Any) -> None:
    contact = Contact.objects.create(full_name="Zoe", company="Okafor Ltd")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    fetch("UPDATE contacts_contact SET company = %s", encrypt(b"Okafor SA"))
    [(before,)] = fetch("SELECT company FROM contacts_contact")
    run()

    assert fetch("SELECT company FROM contacts_contact") == [(before,)]
    contact = Contact.objects.get(pk=contact.pk)
    assert (contact.full_name, contact.company) == ("Zoe", "Okafor SA")


@pytest.mark.django_db
def test_an_empty_column_stays_empty(keys: Any) -> None:
    table = key_rotation.Table("contacts_contact", "id", "uuid", ("full_name", "name_company"))
    Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    [rows] = key_rotation.read_batches(table, 10)
    key_rotation.reencrypt_rows(table, rows, key_rotation.Pass())

    assert fetch("SELECT name_company FROM contacts_contact") == [(None,)]
    assert Contact.objects.get().full_name == "Zoe"


@pytest.mark.django_db
def test_one_key_that_all_rows_use_leaves_nothing_to_do() -> None:
    Contact.objects.create(full_name="Zoe")
    said, _ = tell()

    assert said == "There is nothing to do: all 2 rows are encrypted with k1.\n"


@pytest.mark.django_db
def test_an_empty_database_lets_the_old_key_go(keys: Any) -> None:
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    result, status = run()

    assert (result["rows"], result["can_remove"], status) == (0, ["k1"], 0)


@pytest.mark.django_db
def test_what_it_says_names_the_key_to_remove_and_shows_a_bar(keys: Any) -> None:
    Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    said, progress = tell()

    assert "2 of 2 rows are now encrypted with k2." in said
    assert "k1 encrypts nothing any more: remove it from FIELD_ENCRYPTION_KEYS and restart." in said
    assert progress.endswith("\r[##############################] 2 of 2 rows\n")


@pytest.mark.django_db
def test_a_dry_run_counts_and_writes_nothing(keys: Any) -> None:
    Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    result, status = run("--dry-run")

    assert result == {
        "rows": 2, "reencrypted": 0, "unreadable": 0, "left": 2, "old_keys": {"k1": 2}, "can_remove": [],
    }  # fmt: skip
    assert (status, read_key_ids()) == (0, {"k1"})


@pytest.mark.django_db
def test_a_batch_of_nothing_is_wrong_usage() -> None:
    with pytest.raises(CommandError, match="--batch is 1 or more") as caught:
        call_command("rotate_encryption_key", "--batch", "0")
    assert caught.value.returncode == 2


# --- What cannot be rotated -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_rows_whose_key_is_missing_are_counted_and_left(keys: Any) -> None:
    lost = Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = K2
    Contact.objects.create(full_name="Ada")
    keys.FIELD_ENCRYPTION_KEYS = K3 | K2
    before = fetch("SELECT full_name FROM contacts_contact WHERE id = %s", lost.pk)
    result, status = run()

    assert (result["unreadable"], result["reencrypted"], status) == (2, 2, 1)
    assert (result["old_keys"], result["can_remove"]) == ({"k1": 2, "k2": 0}, ["k2"])
    assert fetch("SELECT full_name FROM contacts_contact WHERE id = %s", lost.pk) == before
    said, _ = tell()
    assert "1 rows of contacts_contact cannot be read: add the missing key again, or restore them." in said
    assert "k1 is missing from FIELD_ENCRYPTION_KEYS: 2 rows." in said


@pytest.mark.django_db
@pytest.mark.parametrize("stored", [b"", b"\x00", b"\x01", b"\x01\xff", b"\x01\x02k1", b"\x01\x02k1" + bytes(40)])
def test_damaged_values_are_counted_and_the_others_go_on(stored: bytes, keys: Any) -> None:
    damaged = Contact.objects.create(full_name="Zoe")
    Contact.objects.create(full_name="Ada")
    fetch("UPDATE contacts_contact SET notes = %s WHERE id = %s", stored, damaged.pk)
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    result, status = run()

    assert (result["unreadable"], result["reencrypted"], result["left"], status) == (1, 4, 0, 1)
    assert sum(result["old_keys"].values()) == 1
    assert Contact.objects.get(pk=damaged.pk).full_name == "Zoe"


# --- While the system runs --------------------------------------------------------------------------------------------


@pytest.fixture
def outside(transactional_db: None) -> Iterator[psycopg.Connection]:
    """Another process's connection to the database."""
    settings = database.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: settings[name] for name in names if settings.get(name)}) as connection:
        yield connection


def test_a_row_that_changes_between_reading_and_writing_is_not_overwritten(
    outside: psycopg.Connection, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    write, changes = key_rotation.write_rows, [b"Ada", b"Eve"]

    def write_late(table: Any, rows: Any) -> int:
        if table.name == "contacts_contact" and changes:
            keys.FIELD_ENCRYPTION_KEYS = K1
            outside.execute("UPDATE contacts_contact SET full_name = %s", [encrypt(changes.pop(0))])
            outside.commit()
            keys.FIELD_ENCRYPTION_KEYS = K2 | K1
        return write(table, rows)

    monkeypatch.setattr(key_rotation, "write_rows", write_late)
    monkeypatch.setattr(key_rotation, "PAUSE_S", 0)
    outcome = rotate(batch=10)

    assert (outcome.left, outcome.is_complete, changes) == (0, True, [])
    assert Contact.objects.get().full_name == "Eve"
    assert read_key_ids() == {"k2"}


def test_rows_that_others_hold_are_passed_over_and_said(
    outside: psycopg.Connection, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, free = Contact.objects.create(full_name="Zoe"), Contact.objects.create(full_name="Ada")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    outside.execute("SELECT 1 FROM contacts_contact WHERE id = %s FOR UPDATE", [held.pk])
    monkeypatch.setattr(key_rotation, "PAUSE_S", 0)
    result, status = run()

    assert (result["left"], result["reencrypted"], result["can_remove"], status) == (1, 3, [], 1)
    outside.rollback()
    result, status = run()
    assert (result["reencrypted"], result["can_remove"], status) == (1, ["k1"], 0)
    assert {held.pk, free.pk} == set(Contact.objects.values_list("pk", flat=True))
    assert read_key_ids() == {"k2"}


def test_a_row_that_is_released_meanwhile_is_done_in_a_later_pass(
    outside: psycopg.Connection, keys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Contact.objects.create(full_name="Zoe")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    outside.execute("SELECT 1 FROM contacts_contact FOR UPDATE")
    monkeypatch.setattr(key_rotation, "sleep", lambda _: outside.rollback())

    assert rotate(batch=10).can_remove == ["k1"]


def test_two_at_once_do_no_harm(outside: psycopg.Connection, keys: Any) -> None:
    outside.execute("SELECT pg_advisory_lock(%s, %s)", key_rotation.LOCK)
    with pytest.raises(CommandError, match="by another process: let it end") as caught:
        call_command("rotate_encryption_key")
    assert caught.value.returncode == 1
    with pytest.raises(StateError):
        rotate(batch=10)


def test_the_lock_is_given_back(outside: psycopg.Connection) -> None:
    rotate(batch=10)
    assert outside.execute("SELECT pg_try_advisory_lock(%s, %s)", key_rotation.LOCK).fetchone() == (True,)


def test_what_a_killed_run_has_done_counts(transactional_db: None, keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        Contact.objects.create(full_name=f"Zoe {number}")
    keys.FIELD_ENCRYPTION_KEYS = K2 | K1
    write, calls = key_rotation.write_rows, []

    def die(table: Any, rows: Any) -> int:
        calls.append(len(rows))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return write(table, rows)

    monkeypatch.setattr(key_rotation, "write_rows", die)
    with pytest.raises(KeyboardInterrupt):
        rotate(batch=1)
    monkeypatch.setattr(key_rotation, "write_rows", write)

    assert rotate(batch=1).reencrypted == 7
    assert {decrypt(bytes(name)) for (name,) in fetch("SELECT full_name FROM contacts_contact")} == {
        f"Zoe {number}".encode() for number in range(5)
    }
