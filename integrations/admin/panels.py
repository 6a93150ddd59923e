"""What a detail page shows below its fields: tables and texts.

A package further up adds its own panel to a page further down (meetings on a delivery's page) with `panel_on`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integrations.privacy.encryption import show_unreadable


@dataclass(frozen=True, slots=True)
class Panel:
    """A table of cells, or `text` as it stands. `empty` is said where there is neither.

    `links` stand beside the title, `note` below it.
    """

    title: str
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    text: str = ""
    empty: str = "Nothing yet."
    links: Sequence[SafeString] = ()
    note: str = ""


type PanelMaker = Callable[[HttpRequest, Any], Panel | None]

_makers: dict[type[Model], list[tuple[int, PanelMaker]]] = {}


def panel_on(model: type[Model], *, rank: int = 0) -> Callable[[PanelMaker], PanelMaker]:
    """Show what the function returns on the model's detail pages; None leaves the panel out.

    Those of a lower rank stand higher, those of the same one in the order in which they were registered.
    """

    def register(maker: PanelMaker) -> PanelMaker:
        makers = _makers.setdefault(model, [])
        makers.append((rank, maker))
        makers.sort(key=itemgetter(0))
        return maker

    return register


@show_unreadable()
def make_panels(request: HttpRequest, row: Model) -> list[Panel]:
    made = (maker(request, row) for _, maker in _makers.get(type(row), ()))
    return [panel for panel in made if panel is not None]
