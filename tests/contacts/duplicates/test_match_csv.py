import csv
import gzip
import json

import pytest
from django.core.management import call_command

from integrations.management.base import UsageError
from tests.benchmarks.people import write_people

HEADER = "id,full_name,company,email,phone,country\n"


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run(path, *options):
    call_command("match_csv", path, *options)


def test_pairs_and_clusters_are_written(tmp_path, capsys):
    write_people(tmp_path / "in.csv", mix="world", rows=800, seed=2)
    pairs, clusters = tmp_path / "pairs.csv", tmp_path / "clusters.csv"
    run(tmp_path / "in.csv", "--pairs", pairs, "--clusters", clusters, "--json")
    result = json.loads(capsys.readouterr().out)
    rows = read(pairs)
    assert list(rows[0]) == ["id_a", "id_b", "probability", "verdict", "name", "company", "email", "phone"]
    assert len(rows) == result["certain"] + result["review"]
    assert {row["verdict"] for row in rows} == {"certain", "review"}
    assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)
    assert len({row["cluster"] for row in read(clusters)}) == result["people"]
    assert len(read(clusters)) == 800


def test_distinct_pairs_are_written_on_demand(tmp_path):
    write_people(tmp_path / "in.csv", mix="world", rows=800, seed=2)
    run(tmp_path / "in.csv", "--pairs", tmp_path / "pairs.csv", "--all")
    assert "distinct" in {row["verdict"] for row in read(tmp_path / "pairs.csv")}


def test_a_compressed_file_with_further_columns_is_read(tmp_path, capsys):
    text = (
        "note,phone,country,id,full_name,company,email\n"
        + "x,,US,a,Ann Lee,,ann@acme.com\ny,,US,b,Ann Lee,,ann@acme.com\n"
    )
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(text.encode()))
    run(tmp_path / "in.csv.gz", "--clusters", tmp_path / "out.csv")
    assert "2 contacts seem to be" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,full_name\n", "line 1, column company: is missing"),
        (HEADER.replace("phone", "email"), "line 1, column email: stands there twice"),
        (HEADER + "1,Ann\n", "line 2: 2 columns instead of 6"),
        (HEADER + ",Ann,,,,\n", "line 2, column id: empty"),
        (HEADER + "1,Ann,,,,\n1,Ben,,,,\n", "column id: '1' stands there twice"),
        (HEADER + '1,"Ann,,,,\n', "line 2: unexpected end of data"),
    ],
)
def test_a_broken_file_is_refused_with_the_line_and_the_column(text, message, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message) as raised:
        run(path, "--pairs", tmp_path / "out.csv")
    assert raised.value.returncode == 2


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "in.csv").write_bytes(HEADER.encode() + b"1,\xff,,,,\n")
    with pytest.raises(UsageError, match="utf-8"):
        run(tmp_path / "in.csv", "--pairs", tmp_path / "out.csv")


def test_a_missing_file_and_missing_options_are_named(tmp_path):
    with pytest.raises(Exception, match="No such file"):
        run(tmp_path / "in.csv", "--pairs", tmp_path / "out.csv")
    with pytest.raises(UsageError, match="say where to write"):
        run(tmp_path / "in.csv")


def test_a_cell_that_is_too_large_is_refused_with_its_line(tmp_path):
    (tmp_path / "in.csv").write_text(HEADER + "1,Ann,,,,\n2,Ben,,,,\n3," + "x" * 200_000 + ",,,,\n")
    with pytest.raises(UsageError, match="line 4: field larger"):
        run(tmp_path / "in.csv", "--pairs", tmp_path / "out.csv")


@pytest.mark.parametrize("text", [HEADER, HEADER + "\n\n"])
def test_a_file_without_contacts_gives_none(text, tmp_path, capsys):
    (tmp_path / "in.csv").write_text(text)
    run(tmp_path / "in.csv", "--pairs", tmp_path / "pairs.csv", "--clusters", tmp_path / "clusters.csv", "--json")
    assert json.loads(capsys.readouterr().out)["people"] == 0
    assert read(tmp_path / "pairs.csv") == read(tmp_path / "clusters.csv") == []


def test_huge_cells_are_read(tmp_path, capsys):
    cells = ["x" * 90_000 + " y", "z" * 90_000, "a" * 90_000 + "@b.com", "1" * 90_000, "US"]
    (tmp_path / "in.csv").write_text(HEADER + "".join(f"{number},{','.join(cells)}\n" for number in range(3)))
    run(tmp_path / "in.csv", "--clusters", tmp_path / "out.csv", "--json")
    assert json.loads(capsys.readouterr().out)["contacts"] == 3
