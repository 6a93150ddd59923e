"""Countries: what people write, and its code."""

from collections import defaultdict

import pytest

from integrations.countries import TABLE, fold, read_country


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FR", "FR"),
        (" fr ", "FR"),
        ("France", "FR"),
        ("Deutschland", "DE"),
        ("u.s.a.", "US"),
        ("United States of America", "US"),
        # No code of ISO 3166, but what everybody writes.
        ("UK", "GB"),
        ("Cote d’Ivoire", "CI"),
        ("TÜRKİYE", "TR"),
        ("Bosnia & Herzegovina", "BA"),
        ("日本", "JP"),
    ],
)
def test_a_country_is_known_by_its_code_or_a_name_however_it_is_written(text: str, code: str) -> None:
    assert read_country(text) == code


@pytest.mark.parametrize("text", ["", "  ", "?", "ZZ", "Freedonia", "France, Germany", "75001"])
def test_what_is_no_country_is_none(text: str) -> None:
    assert read_country(text) == ""


def test_every_code_stands_once_and_no_name_is_two_countries() -> None:
    rows = [row.strip().split(" ", 1) for row in TABLE.split(";")]
    codes = [code for code, _ in rows]
    holders = defaultdict(set)
    for code, names in rows:
        for name in (code, *names.split("|")):
            holders[fold(name)].add(code)
    assert len(codes) == len(set(codes)) == 250
    assert not [name for name, found in holders.items() if len(found) > 1]
    assert "" not in holders
