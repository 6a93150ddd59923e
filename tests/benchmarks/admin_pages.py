"""Every page of the admin that links lead to, measured in this process: `python -m tests.benchmarks.admin_pages`.

It begins at the first page and follows all links, one of each kind: pages of one address and the same filters are one
kind, whatever row they are about. `make bench-admin` fills a database first.
"""

import argparse
import re
import statistics
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qsl, urljoin, urlsplit

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import connection as database  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import Resolver404, resolve  # noqa: E402
from django.utils import timezone  # noqa: E402

from integrations.jobs import beat  # noqa: E402
from integrations.operations import counting  # noqa: E402
from tests.benchmarks.rows import Filling  # noqa: E402

MOST_MS, MOST_QUERIES = 500, 30
ROUNDS = 3
LINK = re.compile(r'<a\b[^>]*?\bhref="([^"#]+)"')
LEFT_OUT = ("/admin/logout/", "/admin/password_change/", "/admin/jsi18n/")
# What a person types into the search of a list.
SEARCHES = ("evt_77", "nobody@example.com")


@dataclass(frozen=True, slots=True)
class Page:
    address: str
    kind: str
    queries: int
    milliseconds: float
    status: int

    @property
    def is_too_slow(self) -> bool:
        return self.milliseconds > MOST_MS or self.queries > MOST_QUERIES or self.status >= 500


def crawl(client: Client) -> Iterator[Page]:
    """All kinds of pages, breadth first."""
    waiting, seen = deque(["/admin/"]), {"admin:index"}
    while waiting:
        address = waiting.popleft()
        page, text = visit(client, address)
        yield page
        for found in list_links(address, text):
            if (kind := find_kind(found)) and kind not in seen:
                seen.add(kind)
                waiting.append(found)


def visit(client: Client, address: str) -> tuple[Page, str]:
    with CaptureQueriesContext(database) as captured:
        response = client.get(address)
    queries = len(captured)
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        client.get(address)
        times.append((time.perf_counter() - begun) * 1000)
    text = response.content.decode() if response.get("Content-Type", "").startswith("text/html") else ""
    page = Page(address, find_kind(address), queries, statistics.median(times), response.status_code)
    return page, text


def list_links(address: str, text: str) -> Iterator[str]:
    for link in LINK.findall(text):
        found = urljoin(address, unescape(link))
        if found.startswith("/admin/") and not found.startswith(LEFT_OUT):
            yield found
    if 'name="q"' in text and "?" not in address:
        yield from (f"{address}?q={words}" for words in SEARCHES)


def find_kind(address: str) -> str:
    """Empty for what is no page."""
    parts = urlsplit(address)
    try:
        name = resolve(parts.path).view_name
    except Resolver404:
        return ""
    names = sorted({key for key, _ in parse_qsl(parts.query)} - {"_changelist_filters"})
    return "?".join([name, *names])


def count_hours() -> None:
    while next(iter(counting.find_uncounted(timezone.now())), None):
        counting.count_hours(timezone.now())


def show(page: Page) -> str:
    mark = "!" if page.is_too_slow else " "
    return f"{mark} {page.milliseconds:6.0f} ms  {page.queries:3} queries  {page.status}  {page.address[:110]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=1_000_000, help="and three effects for each")
    parser.add_argument("--people", type=int, default=200_000, help="contacts, and as many meetings")
    options = parser.parse_args()
    begun = time.perf_counter()
    filling = Filling(deliveries=options.deliveries, people=options.people)
    filling.fill()
    count_hours()
    beat()
    print(
        f"{options.deliveries:,} deliveries, {3 * options.deliveries:,} effects, {options.people:,} contacts"
        f" after {time.perf_counter() - begun:.0f} s"
    )
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username="bench"))
    client.get("/admin/")
    pages = sorted(crawl(client), key=lambda page: -page.milliseconds)
    print("\n".join(show(page) for page in pages))
    slow = [page for page in pages if page.is_too_slow]
    print(f"{len(pages)} kinds of pages; {len(slow)} above {MOST_MS} ms or {MOST_QUERIES} queries, or failing")


if __name__ == "__main__":
    main()
