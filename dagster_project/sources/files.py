"""Which files of a source belong to which canonical table."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from dagster_project.sources.contract import TABLE_NAMES, TABLES
from dagster_project.sources.errors import SourceError

DATA_ENDINGS = (".csv", ".csv.gz", ".parquet")
"""How the names of canonical files end."""
_FORM = "<table>.csv, <table>.csv.gz, <table>.parquet or a folder <table>/ of such files"


@dataclass(frozen=True, slots=True)
class Found:
    """The files per table, with the name each is shown by, and what else lay there."""

    files: dict[str, tuple[tuple[Path, str], ...]]
    warnings: tuple[str, ...]


def find_files(location: str) -> Found:
    """Look through `location`: a folder, one file or a glob.

    Raises:
        SourceError: nothing is there, orders are missing, a table is there as CSV and as Parquet,
            or the location is a URL.
    """
    base, entries = _look(location)
    return _assign(location, base, entries)


def data_files(
    location: str, endings: tuple[str, ...] = DATA_ENDINGS
) -> tuple[tuple[Path, str], ...]:
    """The files with these endings at `location`, by name, with the name to show for each.

    Raises:
        SourceError: there are none, or the location is a URL.
    """
    base, entries = _look(location)
    files = [
        file
        for entry in entries
        for file in (sorted(entry.rglob("*")) if entry.is_dir() else [entry])
        if _is_data(file, endings)
    ]
    if not files:
        message = f"SEGMENTS_SOURCE is {location}: there is no file ending in {', '.join(endings)}"
        raise SourceError(message)
    return tuple((file, file.relative_to(base).as_posix()) for file in files)


def _look(location: str) -> tuple[Path, list[Path]]:
    """What lies at a location, and the folder its names are relative to."""
    if "://" in location:
        message = (
            f"{location.split('://', 1)[0]}://… is no folder, file or glob of this machine: what "
            "lies elsewhere is copied first, see local_copy"
        )
        raise SourceError(message)
    root = Path(location).expanduser()
    if root.is_dir():
        base, entries = root, sorted(root.iterdir())
    elif root.is_file():
        base, entries = root.parent, [root]
    else:
        entries = [Path(name) for name in sorted(glob.glob(str(root), recursive=True))]  # noqa: PTH207
        base = Path(*(part for part in root.parts[: _first_pattern(root)]))
    if not entries:
        message = f"SEGMENTS_SOURCE is {location}: there is no file, so there are no orders to load"
        raise SourceError(message)
    return base, entries


def _first_pattern(root: Path) -> int:
    return next((i for i, part in enumerate(root.parts) if glob.has_magic(part)), len(root.parts))


def _assign(location: str, base: Path, entries: list[Path]) -> Found:
    files: dict[str, list[tuple[Path, str]]] = {}
    places: dict[str, set[str]] = {}
    warnings: list[str] = []
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        shown = entry.relative_to(base).as_posix()
        name = table_of(entry)
        if name is None:
            warnings.append(_stranger(entry, shown))
            continue
        parts = sorted(p for p in entry.rglob("*") if _is_data(p)) if entry.is_dir() else [entry]
        if not parts:
            warnings.append(f"{shown}/ holds no CSV or Parquet file")
            continue
        files.setdefault(name, []).extend((p, p.relative_to(base).as_posix()) for p in parts)
        places.setdefault(name, set()).add("folder" if entry.is_dir() else ending(entry))
    for name, found in files.items():
        require_once(name, found, places[name])
    _require(location, files, warnings)
    return Found({n: tuple(found) for n, found in files.items()}, tuple(warnings))


def _require(location: str, files: dict[str, list[tuple[Path, str]]], warnings: list[str]) -> None:
    for table in TABLES:
        if table.required and table.name not in files:
            near = [w for w in warnings if f"did you mean {table.name}" in w]
            message = f"{location} has no {table.name} (expected {_FORM})"
            raise SourceError("; ".join((message, *near)))


def require_once(name: str, files: list[tuple[Path, str]], places: set[str]) -> None:
    """See that the files of table `name` are not two copies of it.

    `places` has "folder" for files in a folder named after the table, the ending for others.

    Raises:
        SourceError: there are several places, or CSV and Parquet files.
    """
    kinds = {ending(path).removesuffix(".gz") for path, _ in files}
    if len(kinds) > 1 or len(places) > 1:
        shown_files = ", ".join(shown for _, shown in files[:4])
        message = (
            f"{name} is there more than once ({shown_files}): keep one of {_FORM}, "
            "or the same orders would be loaded twice"
        )
        raise SourceError(message)


def table_of(entry: Path) -> str | None:
    """The canonical table a file or folder is named after, or the folder it lies in."""
    if entry.is_dir():
        return name if (name := entry.name.lower()) in TABLE_NAMES else None
    if not _is_data(entry):
        return None
    stem = entry.name.lower().removesuffix(ending(entry))
    if stem in TABLE_NAMES:
        return stem
    # A glob may have reached into a folder that is named after its table.
    parent = entry.parent.name.lower()
    return parent if parent in TABLE_NAMES else None


def is_data_name(name: str, endings: tuple[str, ...] = DATA_ENDINGS) -> bool:
    """Whether a file of this name holds rows: not hidden, and with one of these endings."""
    return not name.startswith((".", "_")) and name.lower().endswith(endings)


def _is_data(path: Path, endings: tuple[str, ...] = DATA_ENDINGS) -> bool:
    return is_data_name(path.name, endings) and path.is_file()


def ending(path: Path) -> str:
    """Which of `DATA_ENDINGS` the name of a file has, "" when none."""
    return next((end for end in DATA_ENDINGS if path.name.lower().endswith(end)), "")


def _stranger(entry: Path, shown: str) -> str:
    stem, _, rest = entry.name.lower().partition(".")
    near = get_close_matches(stem, TABLE_NAMES, n=1, cutoff=0.75)
    if not near:
        return f"{shown} is not a canonical table and was ignored"
    ending = f".{rest}" if f".{rest}" in DATA_ENDINGS else ("/" if entry.is_dir() else ".csv")
    return f"{shown} was ignored: did you mean {near[0]}{ending}?"
