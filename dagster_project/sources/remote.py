"""What lies elsewhere, as a copy on this machine that the source formats read like any other.

So a load sees one picture whatever changes meanwhile, and the formats know files only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from dagster_project.connections import Sleep
from dagster_project.sources import object_store, postgres, web_files
from dagster_project.sources.addresses import without_secrets
from dagster_project.sources.connector import DATABASE_ENDINGS
from dagster_project.sources.contract import TABLE_NAMES, TABLES
from dagster_project.sources.copies import Copies, Log, copies
from dagster_project.sources.errors import SourceError
from dagster_project.sources.files import DATA_ENDINGS, is_data_name
from dagster_project.sources.formats import FORMATS, Format, format_named
from dagster_project.sources.object_store import ObjectStore
from dagster_project.sources.shopify_fetch import SCHEME, Account, fetch_shop

_SCHEMES = "s3://, https://, postgresql:// or shopify://"
# A message that names only some of the files names those without which nothing can be loaded.
_NEEDED_FIRST = [table.name for table in sorted(TABLES, key=lambda table: not table.required)]


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks: the object store with its credentials, the password of the database, the shop."""

    object_store: ObjectStore = field(default_factory=ObjectStore)
    database_password: str | None = field(default=None, repr=False)
    shop: Account = field(default_factory=Account)


@contextmanager
def local_copy(
    source_format: str,
    location: str,
    *,
    folder: Path,
    access: Access,
    log: Log,
    sleep: Sleep = time.sleep,
) -> Iterator[str]:
    """A location on this machine with what is at `location`; a copy is gone afterwards.

    A location of this machine is given back as it is. Copies are made in `folder`, in a private
    folder of their own; `log` is told how much was copied, `sleep` waits before a web server is
    asked again.

    Raises:
        SourceError: the format is unknown or cannot be read from there, or there is nothing to
            read. Messages name the remote location, without user, password and query.
    """
    format_ = format_named(source_format)
    if "://" not in location:
        yield location
        return
    if location.startswith(SCHEME):
        if source_format != "shopify_bulk":
            message = f"{SCHEME}… is read with SEGMENTS_SOURCE_FORMAT=shopify_bulk"
            raise SourceError(message)
        # What was fetched stays: the next load asks for what changed since.
        yield str(fetch_shop(location, folder.parent, access.shop, sleep=sleep, log=log))
        return
    try:
        urlsplit(location)
    except ValueError:
        message = f"SEGMENTS_SOURCE is no readable address: expected a folder or file, {_SCHEMES}"
        raise SourceError(message) from None
    with copies(folder, log) as copied:
        try:
            yield _copy(format_, location, access, copied, sleep)
        except SourceError as error:
            here, there = str(copied.root), _origin(location)
            raise type(error)(str(error).replace(here, there)) from None


def _copy(format_: Format, location: str, access: Access, copied: Copies, sleep: Sleep) -> str:
    scheme = location.partition("://")[0].lower()
    connector = format_.connector
    if scheme in {"postgresql", "postgres"}:
        if connector is None:
            tables = ", ".join(name for name, known in FORMATS.items() if known.connector)
            message = (
                f"SEGMENTS_SOURCE_FORMAT is {format_.name}, which is read from files: expected one "
                f"of {tables} for a postgresql:// source"
            )
            raise SourceError(message)
        return postgres.copy_tables(location, connector, access.database_password, copied)
    path, schema = _database(location) if connector is not None else (location, "")
    if scheme == "s3":
        is_wanted = partial(_is_wanted, format_)
        return object_store.copy_objects(path, access.object_store, copied, is_wanted) + schema
    if scheme in {"http", "https"}:
        return web_files.copy_files(path, _names(format_, path), copied, sleep) + schema
    message = f"SEGMENTS_SOURCE begins with {scheme}://: expected a folder or file, {_SCHEMES}"
    raise SourceError(message)


def _database(location: str) -> tuple[str, str]:
    """The file of a connector's location, and `#schema` behind it."""
    file, mark, schema = location.rpartition("#")
    if mark and urlsplit(file).path.endswith(DATABASE_ENDINGS):
        return file, f"#{schema}"
    return location, ""


def _is_wanted(format_: Format, path: str) -> bool:
    """Whether the format can read what is at `path` below its folder."""
    folder, _, rest = path.partition("/")
    if not is_data_name(path.rpartition("/")[2], format_.endings):
        return False
    if not rest or format_.is_told_by_content:
        return True
    connector = format_.connector
    return folder.lower() in TABLE_NAMES if connector is None else folder in connector.columns


def _names(format_: Format, url: str) -> list[str]:
    """The files to ask for in a folder of a web server.

    Raises:
        SourceError: the format's names are free, or `url` is a file no format reads.
    """
    path, shown = urlsplit(url).path, without_secrets(url)
    if not path.endswith("/"):
        if not path.lower().endswith((*format_.endings, *DATABASE_ENDINGS)):
            message = (
                f"{shown} has no name that says what it is: expected a file that ends in "
                f"{', '.join(format_.endings)}, or a folder that ends in /"
            )
            raise SourceError(message)
        return []
    if format_.is_told_by_content:
        message = (
            f"{shown} is a folder, and there is no listing over https: expected one file, because "
            f"{format_.name} knows files by their content; name the file, or use s3://"
        )
        raise SourceError(message)
    connector = format_.connector
    native: dict[str, object] = {} if connector is None else {**connector.columns}
    beside = set(TABLE_NAMES).difference(native, () if connector is None else connector.mapped)
    return [f"{table}.parquet" for table in native] + [
        f"{table}{ending}" for table in _NEEDED_FIRST if table in beside for ending in DATA_ENDINGS
    ]


def _origin(location: str) -> str:
    parts = urlsplit(without_secrets(location))
    return f"{parts.scheme}://{parts.netloc}"
