"""The physical lines of a CSV file, numbered, in a temporary table.

DuckDB's own CSV reader is not used: it skips blank lines and malformed rows without counting them,
so the line number of a rejected row cannot be told; it gives up on a file with mixed line ends; and
after an invalid byte sequence it can repeat a row. Python only moves blocks of bytes here, and
DuckDB splits them.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from dagster_project.sources.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

LINES = "source_lines"
"""Temporary table (line_no, line); line_no counts physical lines from 1."""

NOT_UTF8 = "\ufdd0"
"""A Unicode noncharacter that stands for bytes that are no UTF-8; text never contains it."""

_BLOCK_BYTES = 4 * 1024 * 1024
_HEAD_BYTES = 1024 * 1024
# A line this long is a quote that never ends or no CSV at all, and would have to fit in memory.
_MAX_LINE_BYTES = 256 * 1024 * 1024
_UNDECODED = re.compile("[\udc80-\udcff]+")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Head:
    """The header of a CSV file and how many physical lines lie above the first row."""

    names: tuple[str, ...]
    lines: int
    newline: bytes


def read_head(path: Path, shown: str) -> Head:
    """The header of the file at `path`, called `shown` in messages.

    Raises:
        LoadError: the file is empty, is no UTF-8 text, is a web page or is a damaged gzip file.
    """
    with _opened(path, shown) as handle:
        start = handle.read(_HEAD_BYTES)
    if start.startswith(_UTF16) or b"\x00" in start.lstrip().partition(b"\n")[0]:
        message = f"{shown} is UTF-16 or binary; save it as CSV in UTF-8"
        raise LoadError(message)
    # Old Macintosh programs end lines with a lone carriage return.
    newline = b"\r" if b"\r" in start and b"\n" not in start else b"\n"
    text = _decode(start, newline).removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text, newline="\n"))
    try:
        names = next((row for row in reader if "".join(row).strip()), None)
    except csv.Error as error:
        message = f"{shown} has no readable header: {error}"
        raise LoadError(message) from error
    if names is None:
        message = f"{shown} is empty: not even a header"
        raise LoadError(message)
    if names[0].lstrip().startswith("<"):
        message = (
            f"{shown} is a web page and no CSV, probably one that asks to log in: "
            "download the file again"
        )
        raise LoadError(message)
    if NOT_UTF8 in "".join(names):
        message = f"the header of {shown} is not UTF-8; save the file as CSV in UTF-8"
        raise LoadError(message)
    return Head(tuple(names), reader.line_num, newline)


def read_lines(con: DuckDBPyConnection, path: Path, shown: str, head: Head) -> bool:
    """Fill `LINES` with every line below the header; line ends inside fields become line feeds.

    Returns whether the last line has its line end.

    Raises:
        LoadError: the file is a damaged gzip file or holds a line of more than 256 MB.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE {LINES} (line_no BIGINT, line VARCHAR)")
    above, is_ended = 0, True
    with _opened(path, shown) as handle:
        for block in _blocks(handle, head.newline, shown):
            text = _decode(block, head.newline)
            con.execute(
                f"""
                INSERT INTO {LINES}
                SELECT line_no, line FROM (
                  SELECT ? + row_number() OVER () AS line_no, line
                  FROM (SELECT unnest(string_split(?, chr(10))) AS line)
                ) WHERE line_no > ?
                """,
                [above, text.removesuffix("\n"), head.lines],
            )
            above += text.count("\n")
            is_ended = text.endswith("\n")
    return is_ended


def _blocks(handle: IO[bytes], newline: bytes, shown: str) -> Iterator[bytes]:
    """Blocks of whole lines; only the last may lack its line end."""
    held: list[bytes] = []
    size = 0
    while block := handle.read(_BLOCK_BYTES):
        cut = block.rfind(newline) + 1
        if cut:
            yield b"".join((*held, block[:cut]))
            held, size = [], 0
        held.append(block[cut:])
        size += len(held[-1])
        if size > _MAX_LINE_BYTES:
            message = f"{shown} has a line of more than {_MAX_LINE_BYTES // 1024**2} MB"
            raise LoadError(message)
    if rest := b"".join(held):
        yield rest


def _decode(block: bytes, newline: bytes) -> str:
    try:
        text = block.decode()
    except UnicodeDecodeError:
        text = _UNDECODED.sub(NOT_UTF8, block.decode(errors="surrogateescape"))
    return text.replace("\r\n", "\n") if newline == b"\n" else text.replace("\r", "\n")


@contextmanager
def _opened(path: Path, shown: str) -> Iterator[IO[bytes]]:
    """The bytes of a plain or gzipped file; damage in the gzip stream becomes a LoadError."""
    zipped = path.suffix.lower() == ".gz"
    with cast("IO[bytes]", gzip.open(path, "rb")) if zipped else path.open("rb") as handle:
        try:
            yield handle
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            message = f"{shown} is a damaged gzip file: {error}"
            raise LoadError(message) from error
