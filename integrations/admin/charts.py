"""Charts as columns of parts, drawn as SVG without a script. Pure: what goes in is numbers, words and addresses."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
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
class Column:
    """What one can point at and follow; the parts of all columns of one tone are a single path."""

    x: str
    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A level to compare with, such as an objective."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Its numbers are texts already: thousands of them on one page are not to be localised one by one."""

    title: str
    summary: str
    keys: Sequence[Key]
    columns: Sequence[Column]
    # Tone → an SVG path.
    paths: Mapping[str, str]
    width: str
    top: str
    first: str
    last: str
    mark_y: str = ""
    mark: str = ""
    height: str = str(HEIGHT)
    hit_width: str = str(WIDTH)


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
        columns=[
            Column(str(number * WIDTH), f"{stack.title}: {stack.told or tell(keys, stack)}", stack.address)
            for number, stack in enumerate(stacks)
        ],
        paths=draw_paths(stacks, keys, top),
        width=str(WIDTH * len(stacks)),
        top=show(top),
        first=stacks[0].title if stacks else "",
        last="now",
        mark_y=f"{HEIGHT - HEIGHT * mark.value / top:.1f}" if mark else "",
        mark=mark.label if mark else "",
    )


def draw_paths(stacks: Sequence[Stack], keys: Sequence[Key], top: float) -> dict[str, str]:
    """By tone; without those of which there is nothing."""
    rectangles: dict[str, list[str]] = defaultdict(list)
    for number, stack in enumerate(stacks):
        y = float(HEIGHT)
        for key, value in zip(keys, stack.values, strict=True):
            if value > 0:
                height = min(y, max(LEAST, HEIGHT * value / top))
                y -= height
                rectangles[key.tone].append(f"M{number * WIDTH} {y:.1f}h{WIDTH - GAP}v{height:.1f}h{GAP - WIDTH}z")
    return {tone: "".join(drawn) for tone, drawn in rectangles.items()}


def tell(keys: Sequence[Key], stack: Stack) -> str:
    told = [f"{value:,.0f} {key.label.lower()}" for key, value in zip(keys, stack.values, strict=True) if value > 0]
    return ", ".join(told) or "none"
