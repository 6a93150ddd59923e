"""The contract's samples, told again about other people and other events, so that several tellings don't meet."""

import copy
import json
import re
from itertools import count
from typing import Any

from tests.factories import SAMPLES

type Payload = dict[str, Any]

_numbers = count(1)
TAG = re.compile(r"\br(\d{3})\b")
LAST_DIGITS = re.compile(r"\d(\D*)\d(\D*)\d$")
UNTOLD = ("id", "created_at", "updated_at")


def read_samples() -> list[Payload]:
    """All of the contract's samples, in the order in which calendar.live would send them."""
    samples = [json.loads(path.read_text()) for path in SAMPLES]
    return sorted(samples, key=lambda sample: (read_version(sample), sample["created_at"], sample["id"]))


def read_event_id(payload: Payload) -> str:
    return str(payload["data"].get("event", {}).get("id", ""))


def read_version(payload: Payload) -> int:
    return int(payload["data"].get("event", {}).get("version", 0))


def next_tag() -> str:
    """What marks everything of one telling: `r` and three digits."""
    return f"r{next(_numbers):03}"


def retell(sample: Payload, tag: str) -> Payload:
    """The same story about others: ids, addresses, numbers and companies are the tag's own."""
    told = copy.deepcopy(sample)
    told["id"] += f"-{tag}"
    event = told["data"].get("event")
    if event:
        event["id"] += f"-{tag}"
        event["uid"] = event["uid"].replace("@", f"-{tag}@")
        # Two tellings on one calendar would be double bookings.
        event["calendar"]["id"] += f"-{tag}"
    for attendee in (event or {}).get("attendees", []) + [a for a in [told["data"].get("attendee")] if a]:
        attendee["id"] += f"-{tag}"
        attendee["email"] = attendee["email"].replace("@", f"@{tag}.")
        attendee["phone"] = attendee["phone"] and LAST_DIGITS.sub(
            rf"{tag[1]}\g<1>{tag[2]}\g<2>{tag[3]}", attendee["phone"]
        )
        attendee["company"] = attendee["company"] and f"{attendee['company']} {tag}"
    return told


def make_booking() -> Payload:
    """A new customer's first booking."""
    return retell(next(sample for sample in read_samples() if sample["id"] == "dlv_0001"), next_tag())


def read_tag(row: Payload) -> str:
    """The telling that a row of the REST API belongs to. Raises AssertionError where it shows none, or two."""
    tags = set(TAG.findall(json.dumps(row)))
    assert len(tags) == 1, row
    return f"r{tags.pop()}"


def untell(row: Payload) -> Payload:
    """The row as it would be without its tag, its own ids and times: equal for equal stories.

    A double booking that is over is left out: who was told of the end first never saw it.
    """
    tag = read_tag(row)
    kept = {name: value for name, value in row.items() if name not in UNTOLD}
    text = json.dumps(kept, ensure_ascii=False).replace(f"@{tag}.", "@").replace(f"-{tag}", "").replace(f" {tag}", "")
    told: Payload = json.loads(text)
    if conflict := told.get("conflict"):
        told["conflict"] = conflict["kind"] if conflict["status"] == "open" else None
    if "phones" in told:
        told["phones"] = [phone[:-3] for phone in told["phones"]]
    return told
