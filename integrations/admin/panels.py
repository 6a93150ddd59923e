"""What a detail page shows below its fields: tables and texts.

A package further up adds its own panel to a page further down (meetings on a delivery's page) with `panel_on`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Panel:
    """A table of cells, or `text` as it stands. `empty` is said where there is neither."""

    title: str
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    text: str = ""
    empty: str = "Nothing yet."


type PanelMaker = Callable[[HttpRequest, Any], Panel | None]

_makers: dict[type[Model], list[PanelMaker]] = {}


def panel_on(model: type[Model]) -> Callable[[PanelMaker], PanelMaker]:
    """Show what the function returns on the model's detail pages; None leaves the panel out."""

    def register(maker: PanelMaker) -> PanelMaker:
        _makers.setdefault(model, []).append(maker)
        return maker

    return register


def make_panels(request: HttpRequest, row: Model) -> list[Panel]:
    made = (maker(request, row) for maker in _makers.get(type(row), ()))
    return [panel for panel in made if panel is not None]
