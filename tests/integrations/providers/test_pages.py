"""Where people look at a record over there."""

import pytest

from integrations.providers import PROVIDERS
from integrations.providers.sites import Shown, Site

SANDBOX = "http://127.0.0.1:8001"
CONTACT, MEETING, PAYMENT = Shown.CONTACT, Shown.MEETING, Shown.PAYMENT


def find_page(provider: str, shown: Shown, external_id: str, site: Site) -> str:
    return PROVIDERS[provider].find_page(site, shown, external_id)


@pytest.mark.parametrize(
    ("provider", "site", "shown", "external_id", "page"),
    [
        ("hubspot", Site(account_id="62515"), CONTACT, "51", "https://app.hubspot.com/contacts/62515/record/0-1/51"),
        ("hubspot", Site(account_id="62515"), MEETING, "7", "https://app.hubspot.com/contacts/62515/record/0-47/7"),
        (
            "salesforce",
            Site("https://acme.my.salesforce.com"),
            MEETING,
            "00U1",
            "https://acme.my.salesforce.com/lightning/r/Event/00U1/view",
        ),
        (
            "salesforce",
            Site("https://acme.my.salesforce.com", options={"object": "Lead"}),
            CONTACT,
            "00Q1",
            "https://acme.my.salesforce.com/lightning/r/Lead/00Q1/view",
        ),
        ("pipedrive", Site("https://acme.pipedrive.com/"), CONTACT, "12", "https://acme.pipedrive.com/person/12"),
        ("zoom", Site(), MEETING, "85012345678", "https://zoom.us/meeting/85012345678"),
        ("stripe", Site(), PAYMENT, "pi_1", "https://dashboard.stripe.com/payments/pi_1"),
        ("calendar_live", Site(SANDBOX), MEETING, "ev_1", f"{SANDBOX}/bookings/ev_1/"),
    ],
)
def test_a_record_is_seen_at_its_provider(provider: str, site: Site, shown: Shown, external_id: str, page: str) -> None:
    assert find_page(provider, shown, external_id, site) == page


@pytest.mark.parametrize(
    ("provider", "site", "shown", "external_id"),
    [
        # The account is not known.
        ("hubspot", Site(), MEETING, "7"),
        ("salesforce", Site(), MEETING, "00U1"),
        ("pipedrive", Site("https://api.pipedrive.com"), CONTACT, "12"),
        # There is no page for it.
        ("pipedrive", Site("https://acme.pipedrive.com"), MEETING, "12"),
        ("calendar_live", Site(), MEETING, "ev_1"),
        ("stripe", Site(), PAYMENT, "cs_1"),
        ("slack", Site(), MEETING, "1"),
        ("email", Site(), MEETING, "1"),
    ],
)
def test_no_address_is_made_up(provider: str, site: Site, shown: Shown, external_id: str) -> None:
    assert find_page(provider, shown, external_id, site) == ""


@pytest.mark.parametrize("provider", sorted(PROVIDERS.keys() - {"calendar_live"}))
@pytest.mark.parametrize("shown", Shown)
@pytest.mark.parametrize("origin", [SANDBOX, "https://evil-salesforce.com", "https://pipedrive.com.example"])
def test_what_stands_for_a_provider_has_none_of_its_pages(provider: str, shown: Shown, origin: str) -> None:
    assert find_page(provider, shown, "pi_1", Site(f"{origin}/{provider}", account_id="1")) == ""


def test_an_id_is_quoted() -> None:
    page = find_page("hubspot", MEETING, "7/../x?y", Site(account_id="1"))

    assert page == "https://app.hubspot.com/contacts/1/record/0-47/7%2F..%2Fx%3Fy"
