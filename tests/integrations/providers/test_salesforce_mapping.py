"""Salesforce's values and ours, there and back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.providers.crm import CrmContact, CrmMeeting
from integrations.providers.salesforce.client import quote_text
from integrations.providers.salesforce.mapping import (
    DEFAULT_MAPPING,
    EVENT_FIELDS,
    LENGTHS,
    draft_contact,
    draft_meeting,
    read_values,
)

names = st.one_of(st.none(), st.text(max_size=120))


@given(st.text())
def test_soql_literal_ends_where_it_should_and_holds_the_text(text):
    quoted = quote_text(text)
    literal = re.fullmatch(r"'((?:[^'\\\n\r]|\\[\\'nr])*)'", quoted)
    assert literal
    unescaped = re.sub(r"\\(.)", lambda match: {"n": "\n", "r": "\r"}.get(match[1], match[1]), literal[1])
    assert unescaped == text.replace("\0", "")


@given(first=names, last=names, local_part=st.text("abc.", min_size=1, max_size=90))
def test_what_was_sent_comes_back_as_ours_or_not_at_all(first, last, local_part):
    """Neither a stand-in for an unknown name nor a cut text ever comes back as a value."""
    email = f"{local_part}@example.com"
    values = {"Email": email, "FirstName": first, "LastName": last}
    sent = draft_contact(CrmContact("c-1", values, email=email), "Contact").for_new()
    back = read_values("Contact", sent)
    assert all(len(sent[name] or "") <= LENGTHS[name] for name in ("FirstName", "LastName"))
    ours = {"FirstName": {first, None}, "LastName": {last, None}}
    for name, allowed in ours.items():
        cleaned = {(value or "").replace("\0", "") or None for value in allowed}
        assert name not in back or (back[name] or None) in cleaned


@pytest.mark.parametrize("subject", ["Demo", "", "D" * 300])
def test_cancelled_subject_comes_back_as_it_was(subject):
    values = {"Subject": subject, "StartDateTime": "2026-11-24T09:00:00Z"}
    sent = draft_meeting(CrmMeeting("m-1", values, is_cancelled=True)).for_new()
    back = read_values("Event", {**sent, "StartDateTime": "2026-11-24T09:00:00.000+0000"})
    assert len(sent["Subject"]) <= 255
    assert back.get("Subject", subject) == subject
    assert back["StartDateTime"] == "2026-11-24T09:00:00Z"


@pytest.mark.parametrize("value", [None, 7, "tomorrow", "2026-11-24"])
def test_time_that_is_none_stays_as_it_is(value):
    assert read_values("Event", {"StartDateTime": value})["StartDateTime"] == value


def test_field_of_salesforces_own_is_no_value():
    row = {"attributes": {"type": "Contact"}, "Id": "003", "SystemModstamp": "x", "Phone": "1", "Keepsync_Id__c": "c-1"}
    assert read_values("Contact", row) == {"Phone": "1", "Keepsync_Id__c": "c-1"}


def test_custom_fields_of_the_default_mapping_are_those_that_are_prepared():
    theirs = {field for fields in DEFAULT_MAPPING.values() for field in fields.values()}
    assert {field for field in theirs if field.endswith("__c")} == set(EVENT_FIELDS)


@pytest.mark.parametrize(("owner", "sent"), [("005000000000001AAA", ["005000000000001AAA"]), (None, []), ("", [])])
def test_owner_is_sent_where_there_is_one(owner, sent):
    contact = draft_contact(CrmContact("c-1", {"OwnerId": owner}), "Contact").for_new()
    meeting = draft_meeting(CrmMeeting("m-1", {"OwnerId": owner})).for_new()
    assert [values["OwnerId"] for values in (contact, meeting) if "OwnerId" in values] == sent * 2
