"""Where a HubSpot record is seen. Its address names the account, which is known where it was authorised by OAuth."""

from integrations.providers.sites import Shown, Site, join

APP = "https://app.hubspot.com"
# https://developers.hubspot.com/docs/guides/crm/understanding-the-crm#object-type-ids
TYPES = {Shown.CONTACT: "0-1", Shown.MEETING: "0-47"}


def find_page(site: Site, shown: Shown, external_id: str) -> str:
    is_own = not site.base_url or site.is_within("hubapi.com")
    if shown not in TYPES or not (is_own and site.account_id.isdecimal()):
        return ""
    return join(APP, "contacts", site.account_id, "record", TYPES[shown], external_id)
