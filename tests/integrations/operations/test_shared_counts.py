"""Counts of the processes of one host: what a process that is gone has counted stays, in one file for all."""

import fcntl
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from integrations.operations import shared_counts
from integrations.operations.shared_counts import fold_dead

COUNTER = mmap_key("keepsync_x", "keepsync_x_total", ["a"], ["1"], "X.")
BUCKETS = {edge: mmap_key("keepsync_y", "keepsync_y_bucket", ["le"], [edge], "Y.") for edge in ("1.0", "+Inf")}
SUM = mmap_key("keepsync_y", "keepsync_y_sum", [], [], "Y.")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(shared_counts.VARIABLE, str(tmp_path))
    return tmp_path


def end_process() -> int:
    """The number of a process that is gone."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def write(folder: Path, kind: str, pid: int | str, **values: float) -> Path:
    path = folder / f"{kind}_{pid}.db"
    counts = MmapedDict(str(path))
    keys = {"counter": COUNTER, "sum": SUM, "low": BUCKETS["1.0"], "high": BUCKETS["+Inf"]}
    for name, value in values.items():
        counts.write_value(keys[name], value, 0)
    counts.close()
    return path


def read(folder: Path) -> str:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    # The files are found in no order.
    return "\n".join(sorted(generate_latest(registry).decode().splitlines()))


def test_totals_and_histograms_are_the_same_before_and_after(folder: Path) -> None:
    first, second = end_process(), end_process()
    for pid in {first, second}:
        write(folder, "counter", pid, counter=3)
        write(folder, "histogram", pid, low=2, high=1, sum=7.5)
    before = read(folder)
    for _ in range(3):
        fold_dead()
        assert read(folder) == before
    assert 'keepsync_y_bucket{le="+Inf"}' in before
    assert sorted(path.name for path in folder.glob("*.db")) == ["counter_gone.db", "histogram_gone.db"]


def test_processes_that_come_and_go_add_up_in_one_file(folder: Path) -> None:
    for _ in range(3):
        write(folder, "counter", end_process(), counter=2)
        fold_dead()
    assert 'keepsync_x_total{a="1"} 6.0' in read(folder)
    assert len(list(folder.glob("*.db"))) == 1


def test_a_running_process_and_anything_else_in_the_folder_are_left(folder: Path) -> None:
    mine = write(folder, "counter", 1, counter=1)
    other = folder / "notes_x.db"
    other.write_bytes(b"")
    fold_dead()
    assert mine.exists()
    assert other.exists()
    assert not (folder / "counter_gone.db").exists()


def test_a_process_that_was_killed_before_it_counted_harms_nothing(folder: Path) -> None:
    (folder / f"counter_{end_process()}.db").write_bytes(b"")
    write(folder, "counter", end_process(), counter=4)
    fold_dead()
    assert 'keepsync_x_total{a="1"} 4.0' in read(folder)


def test_a_scrape_waits_while_files_are_folded(folder: Path) -> None:
    """A process of its own holds the lock: the reader goes on once it is given back."""
    code = "import fcntl, sys; f = open(sys.argv[1], 'ab'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    holder.stdout.readline()
    with (folder / "lock").open("ab") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    holder.communicate("\n")
    with shared_counts.reading():
        assert read(folder) == ""


def test_what_cannot_be_folded_ends_no_process(folder: Path) -> None:
    broken = folder / f"counter_{end_process()}.db"
    broken.write_bytes(struct.pack("iii", 100, 0, 2**31 - 1))
    fold_dead()
    assert broken.exists()
    shutil.rmtree(folder)
    fold_dead()


def test_without_a_folder_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shared_counts.VARIABLE, raising=False)
    fold_dead()
    with shared_counts.reading():
        assert shared_counts.find_folder() is None
