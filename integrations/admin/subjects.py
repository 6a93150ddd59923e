"""What an effect is about, as a link.

A package further up says with `page_of` where its subjects are shown: the plumbing knows no contact and no meeting.
"""

from collections.abc import Callable

from django.utils.safestring import SafeString

from integrations.admin.formats import link

LONG_KEY, KEY_END = 20, 8

type AddressMaker = Callable[[str], str]

_pages: dict[str, AddressMaker] = {}


def page_of(kind: str) -> Callable[[AddressMaker], AddressMaker]:
    """Link subjects like `kind:<id>` to the address that the function makes of the id."""

    def register(maker: AddressMaker) -> AddressMaker:
        _pages[kind] = maker
        return maker

    return register


def show_subject(subject: str, *, is_short: bool = False) -> SafeString | str:
    """Without a question to the database; the page says so where the subject is not there any more.

    In short it is the end of a long id, which differs where the beginning, a time, does not.
    """
    kind, _, key = subject.partition(":")
    shown = f"{kind}:…{key[-KEY_END:]}" if is_short and len(key) > LONG_KEY else subject
    maker = _pages.get(kind)
    return link(maker(key), shown) if maker and key else shown
