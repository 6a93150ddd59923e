"""The providers' registry: a new provider is one folder beside this file and one line here."""

from integrations.exceptions import SetupError
from integrations.operations.metrics import OTHER
from integrations.providers.base import Provider
from integrations.providers.calendar_live.provider import CalendarLive
from integrations.providers.email.provider import Email
from integrations.providers.hubspot.provider import HubSpot
from integrations.providers.pipedrive.provider import Pipedrive
from integrations.providers.salesforce.provider import Salesforce
from integrations.providers.slack.provider import Slack
from integrations.providers.stripe.provider import Stripe
from integrations.providers.zoom.provider import Zoom

PROVIDERS: dict[str, Provider] = {
    provider.key: provider
    for provider in (CalendarLive(), HubSpot(), Salesforce(), Slack(), Zoom(), Email(), Stripe(), Pipedrive())
}


def get_provider(key: str) -> Provider:
    """Raises SetupError for a provider that this version does not know."""
    try:
        return PROVIDERS[key]
    except KeyError:
        raise SetupError(f"there is no provider {key!r}; known are: {', '.join(PROVIDERS)}.") from None


def label_provider(key: str) -> str:
    """A provider's name as a label of the metrics: one word for all that this version does not know."""
    known = PROVIDERS.get(key)
    return known.name if known else OTHER


def name_provider(key: str) -> str:
    """A provider's name, also of one that this version does not know."""
    known = PROVIDERS.get(key)
    return known.name if known else key
