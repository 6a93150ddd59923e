"""Where people look at a provider's records in their browser: the words of it, for adapters to build addresses with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Shown(StrEnum):
    """What a page may be about."""

    CONTACT = "contact"
    MEETING = "meeting"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class Site:
    """An account's address (empty: the provider's own hosts), its id over there, and the connection's options."""

    base_url: str = ""
    account_id: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """The sandbox, or something like it, on this machine."""
        return self.host in LOOPBACK

    def is_within(self, domain: str) -> bool:
        """Whether the address is of this domain, or below it."""
        return self.host == domain or self.host.endswith(f".{domain}")


def join(origin: str, *parts: str) -> str:
    """An address of these path parts, each quoted."""
    return "/".join([origin.rstrip("/"), *(quote(part, safe="") for part in parts)])
