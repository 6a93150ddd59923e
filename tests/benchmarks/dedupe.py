"""`make bench-dedupe`: how well and fast `match_csv` finds duplicates, beside splink and a rapidfuzz baseline.

The sets are those of ../shared/data/dedupe, where they are there, and people.py's, which nothing was fitted to. Every
tool runs in a process of its own, one after another in the same minutes, on the same file. Pairs are counted as its
score.py counts them. The peers are its scripts, with packages in an environment of their own under .data; what cannot
be had is left out, with a line that says so.
"""

import argparse
import csv
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.people import write_people

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "dedupe"
FOLDER = ROOT / ".data" / "bench-dedupe"
PEERS = SHARED / "peers"
PACKAGES = ("splink", "duckdb", "pandas", "pyarrow", "anyascii", "rapidfuzz")
LIMIT_S = 1800
# A dataset's name for the peers' scripts, which know the size from it.
SIZES = {10_000: "gen_dev10k", 100_000: "gen_dev100k", 1_000_000: "gen1m"}
# Where F1, seconds and MiB are held to the goals.
GOALS = {10_000: (0.95, 0.8), 100_000: (0.93, 3.0), 1_000_000: (0.91, 25.0)}
GOAL_CERTAIN, GOAL_MIB = 0.999, 900
SPLINK_CLUSTERS = 0.95


def measure(command: list[str], folder: Path) -> tuple[float, str]:
    """Peak MiB of the greatest of a command's processes, and its output; SystemExit where it fails."""
    script = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024\n"
        "print(json.dumps([peak, done.returncode, done.stdout, done.stderr]))"
    )
    run = [sys.executable, "-c", script, *command]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    peak, code, out, errors = json.loads(done.stdout)
    if code:
        raise RuntimeError(errors.strip().splitlines()[-1] if errors.strip() else f"exit {code}")
    return peak, out


# --- Counting, as score.py does ---------------------------------------------------------------------------------------


def count_pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def open_text(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else path.open() as file:
        yield from csv.DictReader(file)


def read_truth(path: Path) -> dict[str, str]:
    return {row["id"]: row["true_entity"] for row in open_text(path)}


def score_pairs(path: Path, truth: dict[str, str], *, least: float = 0.0, verdict: str = "") -> dict[str, float]:
    hits = found = 0
    for row in open_text(path):
        probability = float(row.get("probability") or row.get("prob") or 1)
        if probability < least or (verdict and row["verdict"] != verdict):
            continue
        found += 1
        hits += truth[row["id_a"]] == truth[row["id_b"]]
    return summarise(hits, found, truth)


def score_clusters(path: Path, truth: dict[str, str]) -> dict[str, float]:
    sizes: Counter[str] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    for row in open_text(path):
        sizes[row["cluster"]] += 1
        both[row["cluster"], truth[row["id"]]] += 1
    return summarise(count_pairs(both.values()), count_pairs(sizes.values()), truth)


def summarise(hits: int, found: int, truth: dict[str, str]) -> dict[str, float]:
    there = count_pairs(Counter(truth.values()).values())
    return {
        "precision": hits / found if found else 1.0,
        "recall": hits / there if there else 1.0,
        "f1": 2 * hits / (found + there) if found + there else 1.0,
        "found": found,
        "there": there,
    }


# --- Tools ------------------------------------------------------------------------------------------------------------


def run_keepsync(data: Path, truth: dict[str, str]) -> dict[str, Any]:
    pairs, clusters = FOLDER / "pairs.csv", FOLDER / "clusters.csv"
    command = [sys.executable, "manage.py", "match_csv", str(data), "--pairs", str(pairs), "--clusters", str(clusters)]
    peak_mib, out = measure([*command, "--json"], ROOT)
    result = json.loads(out)
    print_row("Keepsync, pairs", score_pairs(pairs, truth), result["compared"], result["match_s"], peak_mib)
    print_row("Keepsync, clusters", score := score_clusters(clusters, truth), None, None, None)
    certain = score_pairs(pairs, truth, verdict="certain")
    print(f"{'  certain pairs':24}{certain['precision']:>10.5f}   {certain['found']:.0f} of them")
    print(f"  reading and cleaning {result['read_and_clean_s']:.1f} s, writing {result['write_s']:.1f} s")
    return {"f1": score["f1"], "certain": certain["precision"], "match_s": result["match_s"], "peak_mib": peak_mib}


def run_peers(data: Path, count: int, truth: dict[str, str], python: Path) -> dict[str, float]:
    """Seconds of each peer, by name."""
    name = SIZES[count]
    (FOLDER / "data").mkdir(exist_ok=True)
    with (
        gzip.open(data) if data.suffix == ".gz" else data.open("rb") as file,
        (FOLDER / "data" / f"{name}.csv").open("wb") as copy,
    ):
        shutil.copyfileobj(file, copy)
    call(python, "prep.py", f"data/{name}.csv", f"data/{name}.clean.csv")
    found = {}
    for title, script, least in (
        ("rapidfuzz, pairs", "peer_baseline.py", 0.64),
        ("splink, pairs", "peer_splink.py", SPLINK_CLUSTERS),
    ):
        try:
            call(python, script, name, "peer.csv")
        except (RuntimeError, subprocess.SubprocessError) as error:
            print(f"{title:24}skipped: {error}")
            continue
        stats = json.loads((FOLDER / "peer.csv.json").read_text())
        pairs, wall_s = stats["pairs"], stats["wall"]
        print_row(title, score_pairs(FOLDER / "peer.csv", truth, least=least), pairs, wall_s, stats["rss_mib"])
        found[title.partition(",")[0]] = wall_s
        if script == "peer_splink.py":
            print_row("splink, clusters", score_clusters(FOLDER / "peer.clusters.csv", truth), None, None, None)
    return found


def call(python: Path, script: str, *arguments: str) -> None:
    measure([str(python), str(PEERS / script), *arguments], FOLDER)


def make_environment() -> Path | None:
    """A Python with the peers' packages; None, with a line that says why, where it cannot be had."""
    if not PEERS.is_dir():
        print(f"no peers: {PEERS} is not there")
        return None
    python = FOLDER / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(FOLDER / "venv", with_pip=True)
    done = subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], capture_output=True, text=True)
    if done.returncode:
        print(f"no peers: {done.stderr.strip().splitlines()[-1]}")
        return None
    return python


# --- Printing ---------------------------------------------------------------------------------------------------------


def print_row(
    title: str, score: dict[str, float], pairs: int | None, wall_s: float | None, peak_mib: float | None
) -> None:
    line = f"{title:24}{score['precision']:>10.4f}{score['recall']:>10.4f}{score['f1']:>10.4f}"
    if not score["there"]:
        line = f"{title:24}{score['found']:>20.0f} found, none there"
    if wall_s is not None:
        line += f"{pairs or 0:>12,}{wall_s:>10.2f}{peak_mib:>10.0f}"
    print(line)


def bench(title: str, data: Path, count: int, *, python: Path | None, has_goals: bool = True) -> None:
    truth = read_truth(data)
    print(f"\n{title}: {len(truth):,} contacts, {len(set(truth.values())):,} people")
    print(f"{'':24}{'precision':>10}{'recall':>10}{'F1':>10}{'compared':>12}{'seconds':>10}{'MiB':>10}")
    mine = run_keepsync(data, truth)
    peers = run_peers(data, count, truth, python) if python else {}
    for name, wall_s in peers.items():
        print(f"  seconds against {name}: {mine['match_s'] / wall_s:.2f}")
    if has_goals:
        least_f1, most_s = GOALS[count]
        print(
            f"  goals: F1 {say(mine['f1'] >= least_f1)}, certain {say(mine['certain'] >= GOAL_CERTAIN)}, "
            f"seconds {say(mine['match_s'] < most_s)}, memory {say(mine['peak_mib'] < GOAL_MIB)}"
        )


def say(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def make(mix: str, rows: int, seed: int) -> Path:
    path = FOLDER / f"{mix}-{rows}-{seed}.csv"
    if not path.exists():
        part = path.with_suffix(".part")
        write_people(part, mix=mix, rows=rows, seed=seed)
        part.rename(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10,000 contacts each, without the peers")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    FOLDER.mkdir(parents=True, exist_ok=True)
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, Python {platform.python_version()}")
    python = None if options.quick else make_environment()
    for name, count in (("dev10k.csv", 10_000), ("dev100k.csv.gz", 100_000)):
        if not (SHARED / name).exists():
            print(f"\n{name}: skipped, {SHARED} does not hold it")
        elif count == 10_000 or not options.quick:
            bench(name, SHARED / name, count, python=python)
    for mix in ("world", "latin", "lowlands", "indian", "sparse", "dirty", "clean"):
        bench(f"made up, {mix}", make(mix, 10_000, 21), 10_000, python=None, has_goals=False)
    if not options.quick:
        bench("made up, world", make("world", 100_000, 22), 100_000, python=python)
        bench("made up, world", make("world", 1_000_000, 23), 1_000_000, python=python)


if __name__ == "__main__":
    main()
