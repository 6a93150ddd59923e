"""Encrypted fields: what stands in the column, whose key reads it, and what damage looks like."""

import os

import pytest
from django.core.exceptions import FieldError
from django.db import connection
from hypothesis import given
from hypothesis import settings as law_settings
from hypothesis import strategies as st

from contacts.models import Contact
from integrations.models import Connection
from integrations.privacy.encryption import EncryptedTextField, UnreadableValueError, decrypt, encrypt
from integrations.privacy.keys import generate_key, parse_key, parse_keys
from tests.factories import make_connection

OLD, NEW = os.urandom(32), os.urandom(32)
law = law_settings(derandomize=True, deadline=None)


@pytest.fixture(autouse=True)
def keys(settings):
    settings.FIELD_ENCRYPTION_KEYS = {"old": OLD}
    return settings


def read_column(contact, column="full_name"):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM contacts_contact WHERE id = %s", [contact.pk])
        return cursor.fetchone()[0]


# --- Values ----------------------------------------------------------------------------------------------------------


@law
@given(st.binary())
def test_what_was_encrypted_is_read_again(plain):
    assert decrypt(encrypt(plain)) == plain


def test_equal_values_look_different():
    assert encrypt(b"Zoe") != encrypt(b"Zoe")


def test_stored_value_names_its_key_and_holds_no_plain_text():
    stored = encrypt("Zoë Okafor".encode())
    assert stored[:5] == b"\x01\x03old"
    assert b"Okafor" not in stored


def test_first_key_writes_and_an_older_one_still_reads(keys):
    written_before = encrypt(b"Zoe")
    keys.FIELD_ENCRYPTION_KEYS = {"new": NEW, "old": OLD}
    assert decrypt(written_before) == b"Zoe"
    assert encrypt(b"Zoe")[2:5] == b"new"


def test_missing_key_is_named(keys):
    stored = encrypt(b"Zoe")
    keys.FIELD_ENCRYPTION_KEYS = {"new": NEW}
    with pytest.raises(UnreadableValueError, match="key old is missing from FIELD_ENCRYPTION_KEYS"):
        decrypt(stored)


def test_another_key_under_the_same_id_is_noticed(keys):
    stored = encrypt(b"Zoe")
    keys.FIELD_ENCRYPTION_KEYS = {"old": NEW}
    with pytest.raises(UnreadableValueError, match="does not belong to key old"):
        decrypt(stored)


def test_key_id_is_part_of_what_is_authenticated(keys):
    keys.FIELD_ENCRYPTION_KEYS = {"old": OLD, "odl": OLD}
    stored = encrypt(b"Zoe")
    with pytest.raises(UnreadableValueError):
        decrypt(stored[:2] + b"odl" + stored[5:])


def test_every_changed_byte_is_noticed():
    stored = encrypt(b"Zoe")
    for place in range(len(stored)):
        damaged = bytes([*stored[:place], stored[place] ^ 1, *stored[place + 1 :]])
        with pytest.raises(UnreadableValueError):
            decrypt(damaged)


def test_every_cut_is_noticed():
    stored = encrypt(b"")
    for length in range(len(stored)):
        with pytest.raises(UnreadableValueError):
            decrypt(stored[:length])


@law
@given(st.binary(max_size=80))
def test_bytes_that_nobody_encrypted_are_unreadable(stored):
    with pytest.raises(UnreadableValueError):
        decrypt(stored)


# --- Fields ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_text_is_encrypted_in_the_column_and_in_the_history():
    contact = Contact.objects.create(full_name="Zoë Okafor")
    contact.refresh_from_db()
    assert contact.full_name == contact.history.get().full_name == "Zoë Okafor"
    assert decrypt(bytes(read_column(contact))).decode() == "Zoë Okafor"
    with connection.cursor() as cursor:
        cursor.execute("SELECT full_name FROM contacts_historicalcontact")
        assert decrypt(bytes(cursor.fetchone()[0])).decode() == "Zoë Okafor"


@pytest.mark.django_db
def test_empty_text_is_encrypted_too():
    assert len(bytes(read_column(Contact.objects.create(full_name="")))) > 12


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "é", "\0", "田中", "x" * 100_000])
def test_any_text_is_read_again(text):
    assert Contact.objects.get(pk=Contact.objects.create(full_name=text).pk).full_name == text


@pytest.mark.django_db
def test_json_is_encrypted_as_a_whole():
    made = make_connection(options={"client_secret": "tok-ë"})
    assert Connection.objects.get(pk=made.pk).credentials == {"client_secret": "tok-ë"}


def test_null_stays_null():
    field = EncryptedTextField(null=True)
    assert field.get_db_prep_value(None, connection) is None
    assert field.from_db_value(None, None, connection) is None


@pytest.mark.django_db
@pytest.mark.parametrize("lookup", ["full_name", "full_name__contains", "full_name__in", "full_name__gt"])
def test_encrypted_field_cannot_be_filtered_by(lookup):
    with pytest.raises(FieldError, match="Unsupported lookup"):
        Contact.objects.filter(**{lookup: "Zoe"})


@pytest.mark.django_db
def test_encrypted_field_can_be_asked_whether_it_is_null():
    Contact.objects.create()
    assert Contact.objects.filter(full_name__isnull=False).count() == 1


# --- Keys in the environment -----------------------------------------------------------------------------------------


def test_generated_key_is_parsed_and_new_each_time():
    first, second = generate_key(), generate_key()
    assert first != second
    assert len(parse_key(first)) == 32
    assert list(parse_keys(f" {first} , {second}")) == [first.split(":")[0], second.split(":")[0]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "SECRETSECRET",
        "k1:SECRETSECRET",
        "k1:SECRET!SECRET",
        "k 1:" + "A" * 43 + "=",
        "é:" + "A" * 43 + "=",
        "k" * 33 + ":" + "A" * 43 + "=",
        "k1:" + "A" * 43 + "=,",
        "k1:" + "A" * 43 + "=,k1:" + "A" * 43 + "=",
        "k1:ésecret",
    ],
)
def test_bad_keys_are_refused_without_being_quoted(text):
    with pytest.raises(ValueError, match="key") as caught:
        parse_keys(text)
    assert "SECRET" not in str(caught.value)
    assert "AAAA" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_two_keys_where_one_is_wanted_are_refused():
    with pytest.raises(ValueError, match="exactly one"):
        parse_key(f"{generate_key()},{generate_key()}")
