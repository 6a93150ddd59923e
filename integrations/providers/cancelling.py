"""How a meeting is marked as cancelled at a CRM that has no status for it: by what its title begins with."""

import re
from typing import Any

MARK = "Cancelled: "
# People write it in other ways than Keepsync does.
WRITTEN = re.compile(r"cancell?ed:\s*", re.IGNORECASE)


def is_marked(title: Any) -> bool:
    return isinstance(title, str) and WRITTEN.match(title) is not None


def take_mark(title: str) -> str:
    """The title without its mark."""
    return WRITTEN.sub("", title, count=1) if is_marked(title) else title


def write_title(title: str, *, is_cancelled: bool) -> str:
    """The title with a mark or without one; a mark that it has stays as people have written it."""
    if is_marked(title) is is_cancelled:
        return title
    return f"{MARK}{title}".strip() if is_cancelled else take_mark(title)
