"""An activity's note. Activities have no custom fields, so that what is ours stands in it, as HTML:

the description, a line for each target that begins with `note:`, our key, and after it what people wrote there.
"""

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from integrations.payloads import PayloadReader, clean_value
from integrations.providers.crm import CrmMeeting
from integrations.providers.pipedrive.fields import KEEPSYNC_ID
from integrations.providers.values import read_html

NOTE = "note"
# Prefix of a target that is a labelled line of the note.
NOTE_LINE = "note:"
TAG = re.compile("<[^>]*>")
CLOSING_TAGS = re.compile(r"(\s*</[^>]*>)+")

# --- Writing ----------------------------------------------------------------------------------------------------------


def build_note(meeting: CrmMeeting, known: PayloadReader | None) -> str:
    """The whole note, and after it what people wrote in the one that is there."""
    return write_note(meeting, str(meeting.values.get(NOTE) or ""), known)


def renew_note(meeting: CrmMeeting, known: PayloadReader) -> str | None:
    """The note of a linked activity: a description that is as it was stays as people have it now.

    None where nothing is to be changed.
    """
    changed = {target for target in meeting.list_changed() if is_of_note(target)}
    if NOTE in changed:
        return build_note(meeting, known)
    if changed:
        return write_note(meeting, read_description(known.value, list_labels(meeting.values)) or "", known)
    if has_mark(known, meeting.key):
        return None
    note = known.value.get(NOTE)
    return "<br>".join([*([note] if isinstance(note, str) and note else []), escape(mark(meeting.key))])


def write_note(meeting: CrmMeeting, text: str, known: PayloadReader | None) -> str:
    description = text.splitlines()
    lines = [
        f"{target.removeprefix(NOTE_LINE)}: {value}"
        for target, value in meeting.values.items()
        if target.startswith(NOTE_LINE) and value not in (None, "")
    ]
    above = [*description, "", *lines] if description else lines
    # Our key stands once, so that what follows it can be told.
    own = [line for line in "\n".join(above).splitlines() if line.strip() != mark(meeting.key)]
    note = "<br>".join(map(escape, [*own, mark(meeting.key)]))
    return note + (read_remarks(known, meeting.key) if known else "")


def escape(line: str) -> str:
    return html.escape(line, quote=False)


def mark(key: str) -> str:
    return f"{KEEPSYNC_ID}: {key}"


def is_of_note(target: str) -> bool:
    return target == NOTE or target.startswith(NOTE_LINE)


def list_labels(targets: Iterable[str]) -> list[str]:
    """What the lines begin with that are ours."""
    return [target.removeprefix(NOTE_LINE) for target in targets if target.startswith(NOTE_LINE)]


# --- Reading ----------------------------------------------------------------------------------------------------------


def read_remarks(activity: PayloadReader, key: str) -> str:
    """What follows the line with our key in the note, as HTML; empty where nothing does."""
    note = activity.value.get(NOTE)
    line = re.escape(escape(mark(key)))
    found = re.search(rf"(?:^|[>\n])\s*{line}\s*(?=<|\n|$)", note) if isinstance(note, str) else None
    rest = found.string[found.end() :] if found else ""
    closing = CLOSING_TAGS.match(rest)
    rest = rest[closing.end() :] if closing else rest
    return rest if TAG.sub("", rest).strip() else ""


def has_mark(activity: PayloadReader, key: str) -> bool:
    """Whether our key is a line of the activity's note."""
    return mark(key) in list_lines(activity)


def read_mark(activity: PayloadReader) -> str:
    """The key that the note has as a line of its own; empty where it has none."""
    marks = (line.removeprefix(mark("")) for line in list_lines(activity) if line.startswith(mark("")))
    return next((key for key in marks if key and " " not in key), "")


def list_lines(activity: PayloadReader) -> list[str]:
    note = activity.value.get(NOTE)
    text = html.unescape(TAG.sub("\n", note)) if isinstance(note, str) else ""
    return [line.strip() for line in text.splitlines()]


def read_description(activity: Mapping[str, Any], labels: Iterable[str]) -> str | None:
    """What stands above the lines that are ours, as plain text; None where nothing does."""
    above = list_above(activity)
    starts = tuple(f"{label}:" for label in labels)
    while above and (not above[-1].strip() or above[-1].strip().startswith(starts)):
        above.pop()
    return "\n".join(above) or None


def read_line(activity: Mapping[str, Any], target: str) -> str | None:
    """The value of a `note:` target; None where the note has no such line."""
    start = f"{target.removeprefix(NOTE_LINE)}: "
    found = [line.strip() for line in list_above(activity) if line.strip().startswith(start)]
    return found[-1].removeprefix(start).strip() or None if found else None


def list_above(activity: Mapping[str, Any]) -> list[str]:
    """The lines above our key; all where it does not stand there."""
    note = activity.get(NOTE)
    lines = read_html(clean_value(note)).splitlines() if isinstance(note, str) else []
    ends = [place for place, line in enumerate(lines) if line.strip().startswith(mark(""))]
    return lines[: ends[0]] if ends else lines
