"""Where the processes of one host count together: a file each, in a folder that all of them share.

prometheus-client keeps every process's counts in a file that outlives it. The files of processes that are gone are
folded into one, so that totals never go down and the folder does not grow, however often processes are replaced.
"""

import fcntl
import logging
import os
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

logger = logging.getLogger(__name__)

# The variable is prometheus-client's own, which reads it when it is imported.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Counts only ever add up; what is set, not counted, comes from the database.
KINDS = ("counter", "histogram")
FOLDED = "gone"
LOCK = "lock"


def find_folder() -> Path | None:
    """None where each process counts for itself."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


def fold_dead() -> None:
    """Add what processes that are gone have counted to one file for all of them. Any process may do it, at any time.

    Never raises: no process is to end because of its counts.
    """
    if (folder := find_folder()) is None:
        return
    try:
        with locking(folder, fcntl.LOCK_EX):
            for kind in KINDS:
                if dead := [path for path in folder.glob(f"{kind}_*.db") if is_dead(path)]:
                    fold(folder / f"{kind}_{FOLDED}.db", dead)
    except (OSError, RuntimeError, struct.error):
        logger.warning("counts not folded", exc_info=True)


@contextmanager
def reading() -> Iterator[None]:
    """Nothing is folded meanwhile, so that everything is counted once."""
    folder = find_folder()
    if folder is None:
        yield
        return
    with locking(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def locking(folder: Path, kind: int) -> Iterator[None]:
    with (folder / LOCK).open("ab") as file:
        fcntl.flock(file, kind)
        yield


def is_dead(path: Path) -> bool:
    """Whether the process is gone that counted into this file, which is named after it."""
    number = path.stem.rpartition("_")[2]
    if not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def fold(target: Path, dead: Sequence[Path]) -> None:
    """Written beside the target and put in its place, so that nobody ever reads half of it."""
    sums: dict[str, float] = defaultdict(float)
    for path in [target, *dead]:
        if not path.exists() or not path.stat().st_size:
            continue
        for key, value, *_ in MmapedDict.read_all_values_from_file(str(path)):
            sums[key] += value
    draft = target.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    written = MmapedDict(str(draft))
    for key, total in sums.items():
        written.write_value(key, total, 0.0)
    written.close()
    draft.replace(target)
    for path in dead:
        path.unlink()
