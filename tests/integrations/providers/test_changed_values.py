"""What webhooks and polling tell of changed records, in the form in which values are saved."""

import pytest

from integrations.events import RecordKind
from integrations.providers import get_provider
from integrations.providers.crm import Crm
from integrations.providers.values import read_html, read_instant, read_rich_text
from tests.integrations.providers.fetching_cases import NOTE


@pytest.mark.parametrize(
    ("name", "record", "told", "read"),
    [
        ("hubspot", "meeting", {"hs_meeting_outcome": "CANCELED"}, {"hs_meeting_outcome": "cancelled"}),
        (
            "hubspot",
            "meeting",
            {"hs_meeting_start_time": "1795525200000", "hs_meeting_end_time": "2026-11-24T13:30:00.000Z"},
            {"hs_meeting_start_time": "2026-11-24T13:00:00Z", "hs_meeting_end_time": "2026-11-24T13:30:00Z"},
        ),
        ("hubspot", "meeting", {"hs_meeting_start_time": "soon"}, {"hs_meeting_start_time": "soon"}),
        (
            "hubspot",
            "contact",
            {"phone": "", "firstname": "Zoe", "keepsync_lead_score": "45"},
            {"phone": None, "firstname": "Zoe", "keepsync_lead_score": "45"},
        ),
        (
            "salesforce",
            "meeting",
            {"Subject": "Demo", "StartDateTime": "2026-11-24T13:00:00Z"},
            {"Subject": "Demo", "StartDateTime": "2026-11-24T13:00:00Z"},
        ),
        ("salesforce", "contact", {"LastName": None}, {"LastName": None}),
        (
            "pipedrive",
            "meeting",
            {"subject": "Cancelled: Demo", "done": True, "due_time": "13:00:00", "note": NOTE, "owner_id": 18},
            {
                "subject": "Demo",
                "done": "cancelled",
                "due_time": "13:00",
                "note": "Price & terms\nsoon",
                "owner_id": "18",
            },
        ),
        (
            "pipedrive",
            "contact",
            {
                "emails": [{"value": "b@example.com"}, {"value": "a@example.com", "primary": True}],
                "phones": [],
                "name": "Zoe",
                "owner_id": None,
                "custom_fields": {"b" * 40: {"type": "varchar", "value": "fair"}, "c" * 40: None, "d" * 40: {"id": 5}},
            },
            {
                "emails": "a@example.com",
                "phones": None,
                "name": "Zoe",
                "owner_id": None,
                "b" * 40: "fair",
                "c" * 40: None,
            },
        ),
    ],
)
def test_changes_are_told_in_the_form_in_which_values_are_saved(name, record, told, read):
    found = get_provider(name)
    assert isinstance(found, Crm)
    assert found.read_changed(RecordKind(record), told) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a < b and b > c", "a < b and b > c"),
        ("a\n\nb &amp; c", "a\n\nb &amp; c"),
        ("<p>a<br>b</p><ul><li>c &lt; d</li></ul>", "a\nb\nc < d"),
        ('<div class="x">a</div>', "a"),
        ("", ""),
    ],
)
def test_rich_text_is_read_as_people_see_it_and_plain_text_stays(text, read):
    assert read_rich_text(text) == read


def test_html_is_read_as_such_though_it_has_no_tag():
    assert read_html("a &lt; b") == "a < b"


@pytest.mark.parametrize("value", [None, 7, "tomorrow", "2026-11-24", "2026-11-24T13:00:00"])
def test_what_is_no_time_stays_as_it_is(value):
    assert read_instant(value) == value
