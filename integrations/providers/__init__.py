"""The providers' registry: a new provider is one folder beside this file and one line here."""

from integrations.exceptions import SetupError
from integrations.providers.base import Provider
from integrations.providers.calendar_live.provider import CalendarLive

PROVIDERS: dict[str, Provider] = {provider.key: provider for provider in (CalendarLive(),)}


def get_provider(key: str) -> Provider:
    """Raises SetupError for a provider that this version does not know."""
    try:
        return PROVIDERS[key]
    except KeyError:
        raise SetupError(f"there is no provider {key!r}; known are: {', '.join(PROVIDERS)}.") from None
