"""The pages of residency: who may meet, what a change would do before it is made, and the region of a contact."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django_q.models import OrmQ

from contacts.models import Contact, ContactLink
from contacts.residency_report import foretell, make_report, read_full_policy
from integrations.models import Connection, Effect, Region, RegionRule
from integrations.privacy.residency import make_policy, set_rules
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, make_effect, page_address, press, read_messages, sign_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/integrations/regionrule/"
POLICY = f"{PAGE}policy/"


@pytest.fixture
def crm(db: None) -> Connection:
    return make_connection("crm", provider="hubspot", options={"region": "us"})


@pytest.fixture
def anna(crm: Connection) -> Contact:
    """Of France, and at the CRM since before any policy; with an effect that would go there now."""
    contact = Contact.objects.create(country="FR")
    ContactLink.objects.create(contact=contact, connection=crm, external_id="501")
    make_effect(crm, subject=f"contact:{contact.pk}", is_state=True)
    return contact


def tick_all_but(*pairs: str) -> dict[str, str]:
    codes = list(Region.objects.values_list("code", flat=True))
    ticked = {f"may:{one}:{other}": "on" for one in codes for other in codes if f"{one}:{other}" not in pairs}
    return {"is_on": "on", **ticked}


def test_the_page_says_how_it_stands_without_a_policy(anna: Contact, admin_client: Client) -> None:
    page = get_page(admin_client, PAGE)

    assert "No policy is set: every contact may go to every connection" in page
    assert "The policy was never changed." in page


def test_a_change_says_first_what_it_would_stop(anna: Contact, admin_client: Client) -> None:
    page = admin_client.post(POLICY, tick_all_but("eu:us")).content.decode()

    assert "From then on 1 of 121 pairs may not meet. 1 open effects would wait, and 0 that wait would go on." in page
    assert "crm (us)" in page
    assert not RegionRule.objects.exists()


def test_a_change_that_is_confirmed_holds_and_has_its_history(anna: Contact, admin_client: Client) -> None:
    response = admin_client.post(POLICY, {**tick_all_but("eu:us"), "confirmed": "yes"}, follow=True)

    assert "121 rules are changed" in read_messages(response)
    assert not RegionRule.objects.get(contacts_region="eu", connections_region="us").is_allowed
    assert OrmQ.objects.count() == 1
    page = get_page(admin_client, PAGE)
    assert "120 allowed; denied: eu to us" in page
    assert "1 against the policy" in page


def test_a_policy_is_switched_off_and_says_what_goes_on(anna: Contact, admin_client: Client) -> None:
    set_rules({("eu", "us"): False})
    Effect.objects.update(status="waiting", cause="residency")
    page = admin_client.post(POLICY, {}).content.decode()
    assert "No policy is in force then. 0 open effects would wait, and 1 that wait would go on." in page
    admin_client.post(POLICY, {"confirmed": "yes"})

    assert not RegionRule.objects.exists()


def test_who_only_looks_changes_nothing(anna: Contact) -> None:
    client = sign_in("integrations.view_regionrule")

    assert "Change the policy" not in get_page(client, PAGE)
    assert client.post(POLICY, {**tick_all_but(), "confirmed": "yes"}).status_code == 403
    assert not RegionRule.objects.exists()


def test_the_report_counts_by_groups_whatever_their_number(anna: Contact, django_assert_max_num_queries: Any) -> None:
    Contact.objects.bulk_create([Contact(country="US") for _ in range(20)])
    Contact.objects.create(timezone="Europe/London")
    Contact.objects.create(region="ch", country="FR")
    Contact.objects.create(merged_into=anna, country="DE")
    set_rules({("eu", "us"): False})
    with django_assert_max_num_queries(6):
        report = make_report()

    assert report.contacts == {"eu": 1, "us": 20, "uk": 1, "ch": 1}
    assert [(each.connection.slug, each.count_against(report.policy)) for each in report.standings] == [("crm", 1)]


def test_the_report_is_a_command_and_a_file(anna: Contact, admin_client: Client, capsys: Any) -> None:
    set_rules({("eu", "us"): False})
    call_command("residency_report", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["policy"], found["region"], found["contacts"]) == ("on", "eu", {"eu": 1})
    assert found["connections"][0]["against_policy"] == 1
    call_command("residency_report")
    assert "1 contacts are there, 1 of them against the policy" in capsys.readouterr().out

    assert admin_client.get(f"{PAGE}report.csv").content.decode().splitlines() == [
        "contacts_region,connections_region,allowed,contacts,contacts_there",
        "eu,us,False,1,1",
    ]


def test_a_forecast_of_no_change_is_nothing(anna: Contact) -> None:
    policy = read_full_policy()
    same = foretell(policy, make_policy({}, Region.objects.all()))

    assert (same.lost, same.won, same.stops, same.frees) == ([], [], 0, 0)


# --- Regions ----------------------------------------------------------------------------------------------------------


def test_the_countries_of_a_region_are_edited_and_each_is_in_one(admin_client: Client) -> None:
    address = "/admin/integrations/region/ca/change/"
    assert "FR: in European Union and EEA (eu) already" in admin_client.post(
        address, {"name": "Canada", "countries": "CA, FR"}
    ).content.decode().replace("&#x27;", "'")
    admin_client.post(address, {"name": "Canada", "countries": "ca, gl"})

    assert Region.objects.get(pk="ca").countries == ["CA", "GL"]
    assert OrmQ.objects.count() == 1


def test_a_contacts_region_is_set_with_a_reason(anna: Contact, admin_client: Client) -> None:
    assert press(admin_client, anna, "set_region", region="us").status_code == 200
    anna.refresh_from_db()
    assert anna.region == ""
    press(admin_client, anna, "set_region", region="us", reason="Lives in Boston")
    anna.refresh_from_db()

    assert anna.region == "us"
    page = get_page(admin_client, page_address(anna))
    assert "United States" in page
    assert "Set by a person" in page
    assert "Lives in Boston" in page


def test_the_region_of_a_connection_is_set_in_its_form(crm: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(crm))
    assert "Where it keeps its data" in page
    inline = {"owner_mappings-TOTAL_FORMS": "0", "owner_mappings-INITIAL_FORMS": "0"}
    inline |= {"ownermapping_set-TOTAL_FORMS": "0", "ownermapping_set-INITIAL_FORMS": "0"}
    admin_client.post(page_address(crm), {"base_url": "", "default_region": "", "region": "eu", **inline})
    crm.refresh_from_db()

    assert crm.region == "eu"
    assert OrmQ.objects.count() == 1
