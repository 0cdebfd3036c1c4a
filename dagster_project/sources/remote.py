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
from dagster_project.sources.connector import DATABASE_ENDINGS
from dagster_project.sources.contract import TABLE_NAMES, TABLES
from dagster_project.sources.copies import Copies, Log, copies, without_secrets
from dagster_project.sources.errors import SourceError
from dagster_project.sources.files import DATA_ENDINGS, is_data_name
from dagster_project.sources.formats import CONNECTORS, require_known
from dagster_project.sources.object_store import ObjectStore
from dagster_project.sources.shopify_bulk import RESULT_ENDINGS
from dagster_project.sources.shopify_fetch import SCHEME, Account, fetch_shop

_SCHEMES = "s3://, https://, postgresql:// or shopify://"
_FREE_NAMES = {"shopify_bulk", "shopify_csv"}
"""Formats that tell a file by what is in it."""


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
    require_known(source_format)
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
            yield _copy(source_format, location, access, copied, sleep)
        except SourceError as error:
            here, there = str(copied.root), _origin(location)
            raise type(error)(str(error).replace(here, there)) from None


def _copy(source_format: str, location: str, access: Access, copied: Copies, sleep: Sleep) -> str:
    scheme = location.partition("://")[0].lower()
    connector = CONNECTORS.get(source_format)
    if scheme in {"postgresql", "postgres"}:
        if connector is None:
            message = (
                f"SEGMENTS_SOURCE_FORMAT is {source_format}, which is read from files: expected "
                f"one of {', '.join(CONNECTORS)} for a postgresql:// source"
            )
            raise SourceError(message)
        return postgres.copy_tables(location, connector, access.database_password, copied)
    path, schema = _database(location) if connector is not None else (location, "")
    if scheme == "s3":
        is_wanted = partial(_is_wanted, source_format)
        return object_store.copy_objects(path, access.object_store, copied, is_wanted) + schema
    if scheme in {"http", "https"}:
        return web_files.copy_files(path, _names(source_format, path), copied, sleep) + schema
    message = f"SEGMENTS_SOURCE begins with {scheme}://: expected a folder or file, {_SCHEMES}"
    raise SourceError(message)


def _database(location: str) -> tuple[str, str]:
    """The file of a connector's location, and `#schema` behind it."""
    file, mark, schema = location.rpartition("#")
    if mark and urlsplit(file).path.endswith(DATABASE_ENDINGS):
        return file, f"#{schema}"
    return location, ""


def _is_wanted(source_format: str, path: str) -> bool:
    """Whether the format can read what is at `path` below its folder."""
    folder, _, rest = path.partition("/")
    if not is_data_name(path.rpartition("/")[2], _endings(source_format)):
        return False
    if not rest or source_format in _FREE_NAMES:
        return True
    connector = CONNECTORS.get(source_format)
    return folder.lower() in TABLE_NAMES if connector is None else folder in connector.columns


def _names(source_format: str, url: str) -> list[str]:
    """The files to ask for in a folder of a web server.

    Raises:
        SourceError: the format's names are free, or `url` is a file no format reads.
    """
    path, shown = urlsplit(url).path, without_secrets(url)
    if not path.endswith("/"):
        endings = _endings(source_format)
        if not path.lower().endswith((*endings, *DATABASE_ENDINGS)):
            message = (
                f"{shown} has no name that says what it is: expected a file that ends in "
                f"{', '.join(endings)}, or a folder that ends in /"
            )
            raise SourceError(message)
        return []
    if source_format in _FREE_NAMES:
        message = (
            f"{shown} is a folder, and there is no listing over https: expected one file, because "
            f"{source_format} knows files by their content; name the file, or use s3://"
        )
        raise SourceError(message)
    connector = CONNECTORS.get(source_format)
    native: dict[str, object] = {} if connector is None else {**connector.columns}
    beside = set(TABLE_NAMES).difference(native, () if connector is None else connector.mapped)
    return [f"{table}.parquet" for table in native] + [
        f"{table}{ending}" for table in _NEEDED_FIRST if table in beside for ending in DATA_ENDINGS
    ]


def _endings(source_format: str) -> tuple[str, ...]:
    """How the names of files end that the format can read."""
    return (*RESULT_ENDINGS, *DATA_ENDINGS) if source_format == "shopify_bulk" else DATA_ENDINGS


def _origin(location: str) -> str:
    parts = urlsplit(without_secrets(location))
    return f"{parts.scheme}://{parts.netloc}"
