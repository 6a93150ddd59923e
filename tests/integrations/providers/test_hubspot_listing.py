"""HubSpot's contacts, listed page by page."""

import json

import pytest

from integrations.exceptions import PayloadError
from integrations.providers.base import Account
from integrations.providers.crm import ContactPage, FoundContact
from integrations.providers.hubspot.provider import HubSpot
from tests.listing_cases import CHANGED, CREATED, ListingCases, answer_json
from tests.provider_cases import PRIVATE, QUOTED, Good, ProviderCases

HUBSPOT = HubSpot()
ORIGIN = "https://api.hubapi.com"
CONTACTS = f"{ORIGIN}/crm/objects/2026-03/contacts"
OWN = "email,hs_additional_emails,phone,mobilephone,hs_email_optout"


def account(base_url=ORIGIN):
    return Account(base_url, credentials={"access_token": "token-1"})


def record(record_id="1", **properties):
    times = {"createdAt": "2026-01-02T03:04:05.000Z", "updatedAt": "2026-11-20T12:00:00.000Z"}
    return {"id": record_id, "archived": False, **times, "properties": properties}


def read(fields=("firstname",), cursor=""):
    return HUBSPOT.list_contacts(account(), fields=fields, cursor=cursor, size=2)


class TestHubSpotListing(ListingCases):
    crm, fields, name_field = HUBSPOT, ("firstname", "country"), "firstname"
    id_field, stamp_field = "id", "updatedAt"

    def account(self):
        return account()

    def stub(self, http):
        http.add_callback("GET", CONTACTS, callback=self.answer_list)
        http.add_callback("POST", f"{CONTACTS}/search", callback=self.answer_search)

    def answer_list(self, request):
        if trouble := self.take_trouble():
            return trouble
        assert request.params["properties"] == f"firstname,country,{OWN}"
        shown, left = self.give_page(int(request.params.get("after", 0)), int(request.params["limit"]))
        after = str(left[0] - 1) if left else ""
        return answer_json({"results": shown} | ({"paging": {"next": {"after": after}}} if after else {}))

    def answer_search(self, request):
        assert json.loads(request.body)["filterGroups"] == []
        return answer_json({"total": len(self.people), "results": [record(str(min(self.people)))]})

    def show(self, person):
        phone, mobile = [*person.phones, None, None][:2]
        texts = {"firstname": person.name, "country": None, "phone": phone, "mobilephone": mobile}
        emails = {"email": next(iter(person.emails), None), "hs_additional_emails": ";".join(person.emails[1:])}
        return record(str(person.number), **texts, **emails, hs_email_optout="true" if person.has_opted_out else None)


class TestHubSpotListingErrors(ProviderCases):
    method, url = "GET", CONTACTS
    good = {
        200: Good(
            {"results": [record("7", email="zoe@example.com", firstname="Zoe")]},
            ContactPage(
                [FoundContact("7", {"firstname": "Zoe"}, CHANGED, CREATED, emails=("zoe@example.com",))],
                total=1,
                unread=[],
            ),
        )
    }
    rate_limit_wait_s = 10

    def account(self, base_url):
        return account(base_url)

    def call(self, account):
        return HUBSPOT.list_contacts(account, fields=["firstname"], cursor="", size=2)

    def error_body(self, status):
        # Nobody's name is sent with a list, so that none can be quoted in words of its own.
        message = f"{PRIVATE[0]} is not valid"
        context = {"value": [QUOTED]}
        return {"status": "error", "category": "VALIDATION_ERROR", "message": message, "context": context}


def test_archived_contacts_are_left_out(provider_http):
    provider_http.get(CONTACTS, json={"results": [{**record("1"), "archived": True}, record("2")]})
    assert [contact.external_id for contact in read().contacts] == ["2"]


def test_addresses_stand_once_each_the_primary_one_first(provider_http):
    emails = {"email": "zoe@example.com", "hs_additional_emails": "z@example.org; zoe@example.com;;"}
    provider_http.get(CONTACTS, json={"results": [record(**emails, phone="+1 212", mobilephone="+1 212")]})
    (contact,) = read().contacts
    assert contact.emails == ("zoe@example.com", "z@example.org")
    assert contact.phones == ("+1 212",)


@pytest.mark.parametrize("value", ["false", "", None])
def test_who_has_not_opted_out_has_said_nothing(provider_http, value):
    provider_http.get(CONTACTS, json={"results": [record(hs_email_optout=value)]})
    assert read().contacts[0].consents == ()


def test_a_page_that_leads_to_itself_is_refused(provider_http):
    provider_http.get(CONTACTS, json={"results": [record()], "paging": {"next": {"after": "1"}}})
    with pytest.raises(PayloadError, match="same page"):
        read(cursor="1")


def test_a_mapped_field_of_our_own_is_asked_for_once(provider_http):
    stub = provider_http.get(CONTACTS, json={"results": [record(email="zoe@example.com", phone="7")]})
    (contact,) = read(("email", "phone")).contacts
    assert contact.values == {"email": "zoe@example.com", "phone": "7"}
    asked = stub.calls[0].request.params["properties"]
    assert asked == "email,phone,hs_additional_emails,mobilephone,hs_email_optout"
