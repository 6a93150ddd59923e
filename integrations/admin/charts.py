"""Charts as columns of parts, drawn as SVG without a script. Pure: what goes in is numbers, words and addresses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# The drawing's own units: it is stretched to the width that there is.
WIDTH, HEIGHT, GAP = 20, 100, 4
# What is there is seen, however little it is beside the rest.
LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Key:
    """One kind of parts: `tone` is its colour, `value` what is told of all columns, `address` the list behind it."""

    label: str
    tone: str
    value: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """One column's values, in the order of the chart's keys, from the bottom up.

    `told` is said where somebody points at it; without it the values are.
    """

    title: str
    values: Sequence[float]
    address: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    tone: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    x: int
    title: str
    address: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Mark:
    """A level to compare with, such as an objective."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    summary: str
    keys: Sequence[Key]
    columns: Sequence[Column]
    width: int
    top: str
    first: str
    last: str
    mark_y: float | None = None
    mark: str = ""
    height: int = HEIGHT
    hit_width: int = WIDTH
    column_width: int = WIDTH - GAP

    @property
    def is_empty(self) -> bool:
        return not any(column.parts for column in self.columns)


def draw(
    title: str,
    stacks: Sequence[Stack],
    *,
    keys: Sequence[Key],
    summary: str,
    show: Callable[[float], str] = "{:,.0f}".format,
    mark: Mark | None = None,
) -> Chart:
    """The highest column fills the chart, or the mark where that is higher. `show` says a value in words."""
    highest = max((sum(stack.values) for stack in stacks), default=0)
    top = max(highest, mark.value * 1.1 if mark else 0) or 1
    return Chart(
        title=title,
        summary=summary,
        keys=keys,
        columns=[make_column(number, stack, keys, top) for number, stack in enumerate(stacks)],
        width=WIDTH * len(stacks),
        top=show(top),
        first=stacks[0].title if stacks else "",
        last="now",
        mark_y=round(HEIGHT - HEIGHT * mark.value / top, 1) if mark else None,
        mark=mark.label if mark else "",
    )


def make_column(number: int, stack: Stack, keys: Sequence[Key], top: float) -> Column:
    parts: list[Part] = []
    y = float(HEIGHT)
    for key, value in zip(keys, stack.values, strict=True):
        if value > 0:
            height = round(max(LEAST, HEIGHT * value / top), 1)
            y = round(max(0.0, y - height), 1)
            parts.append(Part(key.tone, y, height))
    return Column(number * WIDTH, f"{stack.title}: {stack.told or tell(keys, stack)}", stack.address, parts)


def tell(keys: Sequence[Key], stack: Stack) -> str:
    told = [f"{value:,.0f} {key.label.lower()}" for key, value in zip(keys, stack.values, strict=True) if value > 0]
    return ", ".join(told) or "none"
