"""The country of an IANA time zone, as the zone table of the tz database has it."""

from functools import cache
from importlib.resources import files

# A link that leads over more than so many others is none that anybody made.
LONGEST_CHAIN = 5


def find_country(zone: str) -> str:
    """The two-letter code; empty for a zone of no country, such as UTC, and for what is no zone."""
    countries, links = read_tables()
    for _ in range(LONGEST_CHAIN):
        if zone in countries:
            return countries[zone]
        zone = links.get(zone, "")
    return ""


@cache
def read_tables() -> tuple[dict[str, str], dict[str, str]]:
    """Zone → country, and other name of a zone → zone."""
    folder = files("tzdata") / "zoneinfo"
    rows = [line.split("\t") for line in (folder / "zone.tab").read_text().splitlines() if not line.startswith("#")]
    links = [line.split() for line in (folder / "tzdata.zi").read_text().splitlines() if line.startswith("L ")]
    return {row[2]: row[0] for row in rows}, {name: target for _, target, name in links}
