"""What duplicates a file of contacts holds: to be known before a CRM is connected. Nothing is stored."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from contacts.duplicates.files import FileError, read_contacts
from contacts.duplicates.matches import Matches, find_matches
from contacts.duplicates.scoring import FIELDS, Verdict
from integrations.management.base import KeepsyncCommand, UsageError

PAIRS_HEADER = ("id_a", "id_b", "probability", "verdict", *FIELDS)
# From so many contacts on, standard error shows how far it is.
MANY = 50_000
BATCH = 50_000


class Command(KeepsyncCommand):
    help = (
        "Find the duplicates in a CSV file with the columns id, full_name, company, email, phone and country. "
        "Pairs have a probability, a verdict (certain, review, distinct) and the evidence of each field in bits: above "
        "0 it speaks for one person, below 0 against, empty where it is not known of both."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="IN.csv", help="UTF-8; .csv or .csv.gz")
        parser.add_argument("--pairs", type=Path, metavar="OUT.csv", help="where to write the pairs")
        parser.add_argument("--clusters", type=Path, metavar="OUT.csv", help="where to write who is one person")
        parser.add_argument("--all", action="store_true", help="write the pairs that are probably distinct, too")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        if not (options["pairs"] or options["clusters"]):
            raise UsageError("say where to write: --pairs, --clusters, or both.")
        try:
            return self.match(options)
        except FileError as error:
            raise UsageError(f"{options['file']}: {error}.") from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error

    def match(self, options: dict[str, Any]) -> dict[str, Any]:
        begun = perf_counter()
        contacts = read_contacts(options["file"], report=self.show_progress)
        read_at = perf_counter()
        self.show_step(len(contacts.ids), "comparing")
        matches = find_matches(contacts.columns)
        matched_at = perf_counter()
        self.show_step(len(contacts.ids), "writing")
        verdicts = matches.list_verdicts()
        if options["pairs"]:
            write_pairs(options["pairs"], contacts.ids, matches, verdicts, has_all=options["all"])
        if options["clusters"]:
            write_clusters(options["clusters"], contacts.ids, matches)
        self.show_step(len(contacts.ids), "done\n")
        result = {
            "contacts": len(contacts.ids),
            "people": len(set(matches.groups.tolist())),
            "compared": matches.compared,
            "certain": verdicts.count(Verdict.CERTAIN),
            "review": verdicts.count(Verdict.REVIEW),
            "read_and_clean_s": round(read_at - begun, 3),
            "match_s": round(matched_at - read_at, 3),
            "write_s": round(perf_counter() - matched_at, 3),
        }
        self.say(
            f"{result['contacts']} contacts seem to be {result['people']} people: {result['certain']} certain pairs, "
            f"{result['review']} to review, of {result['compared']} that were compared."
        )
        return result

    def show_progress(self, count: int) -> None:
        self.show_step(count, f"{count} contacts read")

    def show_step(self, count: int, step: str) -> None:
        if count >= MANY:
            self.stderr.write(f"\r\033[K{step}", ending="")


def write_pairs(path: Path, ids: list[str], matches: Matches, verdicts: list[Verdict], *, has_all: bool) -> None:
    chosen = [row for row, verdict in enumerate(verdicts) if has_all or verdict != Verdict.DISTINCT]
    write(path, PAIRS_HEADER, (write_pair(ids, matches, verdicts, row) for row in chosen))


def write_pair(ids: list[str], matches: Matches, verdicts: list[Verdict], row: int) -> list[str]:
    bits = (float(matches.evidence.fields[name][row]) for name in FIELDS)
    return [
        ids[matches.left[row]],
        ids[matches.right[row]],
        f"{matches.probability[row]:.6f}",
        verdicts[row],
        *("" if each != each else f"{each:.1f}" for each in bits),
    ]


def write_clusters(path: Path, ids: list[str], matches: Matches) -> None:
    """A cluster has the id of its first contact."""
    write(path, ("id", "cluster"), zip(ids, (ids[group] for group in matches.groups.tolist()), strict=True))


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
