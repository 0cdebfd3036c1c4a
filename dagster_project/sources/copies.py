"""The folder that copies of remote files lie in while they are loaded."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dagster_project.sources.errors import SourceError

Log = Callable[[str], None]
"""Takes a sentence for whoever reads the run's log."""

_PREFIX = "source-"


@dataclass(frozen=True, slots=True)
class Copies:
    """The folder `root`, in which a copy has the path of what it is a copy of."""

    root: Path
    log: Log

    def place(self, path: str) -> Path:
        """The file that a copy of `path` (relative, parts between `/`) becomes, in a folder made.

        Raises:
            SourceError: there can be no file of that name here.
        """
        parts = path.split("/")
        # Whoever may write there must not choose where we write here.
        if any(part in {"", ".", ".."} or "\x00" in part for part in parts):
            message = (
                f"{path!r} cannot be the name of a file here: expected names without empty parts, "
                "'.' and '..' between the slashes; rename it or leave it out of SEGMENTS_SOURCE"
            )
            raise SourceError(message)
        place = self.root.joinpath(*parts)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"no folder can be made for a copy of {path}: {error.strerror}"
            raise SourceError(message) from error
        return place


@contextmanager
def copies(parent: Path, log: Log) -> Iterator[Copies]:
    """A private folder in `parent` that is gone afterwards, and with it those of killed runs.

    The lock says who lives: the operating system lets go of it whatever ends a process.
    """
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for stale in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError), (stale / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(stale, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(dir=parent, prefix=_PREFIX) as folder,
        (Path(folder) / "lock").open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = Path(folder) / "files"
        root.mkdir()
        yield Copies(root, log)


def amount(sizes: Collection[int]) -> str:
    """How much is copied, given the bytes of every file."""
    return f"{len(sizes):,} file{'s' * (len(sizes) != 1)} of {sum(sizes):,} bytes"
