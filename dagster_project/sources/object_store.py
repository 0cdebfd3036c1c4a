"""Files of an object store that speaks S3, copied to this machine.

DuckDB lists the objects, signs the requests and moves the bytes. It holds one object at a time, so
the memory needed is the size of the largest object and about 320 MB.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import duckdb

from dagster_project.sources.copies import amount
from dagster_project.sources.errors import SourceError
from dagster_project.sources.extensions import connect_with
from dagster_project.sources.sql import literal

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.copies import Copies

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# DuckDB holds no value that is longer.
_MOST_BYTES = int(3.9 * 1024**3)
_NOT_THERE = 404

_FOUND = {
    301: "the bucket is in another region; set AWS_REGION to the bucket's",
    400: "the store did not understand the request; set AWS_REGION to the bucket's region",
    401: "the credentials were refused; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    403: (
        "access was denied; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary "
        "credentials, AWS_SESSION_TOKEN, and that they may list and read the bucket"
    ),
    _NOT_THERE: "there is no such bucket or file; check the spelling and AWS_ENDPOINT_URL",
}

_SAID = {
    "partial file": "the transfer was cut off; load again",
    "certificate": "the store's certificate is not trusted; set AWS_CA_BUNDLE to a file with it",
}
_NO_WAY = "the store cannot be reached; check AWS_ENDPOINT_URL and the network"


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """Where the objects are and who asks for them; without a key id, nobody in particular.

    `endpoint` is the address of a store that is not Amazon's, with `http://` or `https://`;
    `ca_file` holds the certificates it is trusted by, the system's when there is none.
    """

    key_id: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    ca_file: str | None = None


def copy_objects(
    location: str, store: ObjectStore, copies: Copies, is_wanted: Callable[[str], bool]
) -> str:
    """Copy a file, a folder (`s3://bucket/folder/`) or what fits a glob; returns where it lies now.

    Only what `is_wanted` is copied of a folder or by a glob, given the path below the folder or
    the name. Every copy has its key as its path.

    Raises:
        SourceError: there is nothing, or it cannot be read or held.
    """
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if "?" in location or not _BUCKET.fullmatch(bucket):
        message = (
            "SEGMENTS_SOURCE begins with s3://: expected s3://bucket/folder/, "
            "s3://bucket/folder/orders.parquet or s3://bucket/folder/*.csv and nothing behind a "
            "question mark; credentials and endpoint are in the variables AWS_…"
        )
        raise SourceError(message)
    with connect_with("httpfs", "SEGMENTS_SOURCE=s3://…") as con:
        con.execute(_secret(store))
        if store.ca_file:
            con.execute(f"SET ca_cert_file = {literal(store.ca_file)}")
        reader = _Reader(con, bucket)
        keys = reader.find(key, is_wanted)
        places = {found: copies.place(found) for found in keys}
        sizes = {found: reader.size(found) for found in keys}
        copies.log(f"copying {amount(sizes.values())} from s3://{bucket}/{key}")
        for found, place in places.items():
            reader.copy(found, sizes[found], place)
    if glob.has_magic(key):
        return f"{glob.escape(str(copies.root))}/{key}"
    return str(copies.root / key)


class _Reader:
    """One bucket on a connection that may read it."""

    def __init__(self, con: DuckDBPyConnection, bucket: str) -> None:
        self._con = con
        self._bucket = bucket

    def find(self, key: str, is_wanted: Callable[[str], bool]) -> list[str]:
        """The keys to copy for a file, a folder or a glob."""
        if glob.has_magic(key):
            found = self._listed(key, key + "**" * key.endswith("/"))
            wanted = [name for name in found if is_wanted(name.rpartition("/")[2])]
        elif key and not key.endswith("/") and self._is_there(key):
            return [key]
        else:
            folder = f"{key.removesuffix('/')}/" if key else ""
            found = self._listed(key, f"{folder}**")
            wanted = [name for name in found if is_wanted(name.removeprefix(folder))]
        if not wanted:
            message = (
                f"{self._url(key)} has nothing to load: expected CSV or Parquet files, found "
                f"{len(found):,} other files; check the spelling of bucket and folder"
            )
            raise SourceError(message)
        return wanted

    def size(self, key: str) -> int:
        """The bytes of an object."""
        with self._told(key):
            return self._ask_size(key)

    def copy(self, key: str, size: int, place: Path) -> None:
        """Write an object of so many bytes to `place`."""
        if size > _MOST_BYTES:
            message = (
                f"{self._url(key)} has {size:,} bytes and at most {_MOST_BYTES:,} can be copied at "
                "once: compress it (.csv.gz), or write the table as a folder of Parquet files"
            )
            raise SourceError(message)
        with self._told(key):
            self._con.execute(
                f"COPY (SELECT content FROM {self._object(key)}) "
                f"TO {literal(str(place))} (FORMAT blob)"
            )
        if place.stat().st_size != size:
            message = (
                f"{self._url(key)} has changed while it was copied: expected {size:,} bytes, found "
                f"{place.stat().st_size:,}; load again when nobody writes there"
            )
            raise SourceError(message)

    def _is_there(self, key: str) -> bool:
        try:
            with self._told(key):
                self._ask_size(key)
        except _NoObjectError:
            return False
        return True

    def _ask_size(self, key: str) -> int:
        row = self._con.execute(f"SELECT size FROM {self._object(key)}").fetchone()
        return int(row[0]) if row else 0

    def _listed(self, key: str, pattern: str) -> list[str]:
        """The keys that fit a pattern, without the markers some programs make for folders."""
        with self._told(key):
            self._con.execute("SET s3_url_compatibility_mode = false")
            rows = self._con.execute(
                "SELECT file FROM glob(?) ORDER BY file", [self._url(pattern)]
            ).fetchall()
        start = len(self._url(""))
        return [str(url)[start:] for (url,) in rows if not str(url).endswith("/")]

    def _object(self, key: str) -> str:
        # Now a name is a name: keys may hold brackets, stars and question marks.
        self._con.execute("SET s3_url_compatibility_mode = true")
        return f"read_blob({literal(self._url(key))})"

    def _url(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """What DuckDB says of a request, in our words: its own may hold parts of the request."""
        try:
            yield
        except duckdb.OutOfMemoryException:
            found = "it does not fit into memory; write the table as a folder of Parquet files"
        except duckdb.HTTPException as error:
            status = getattr(error, "status_code", 0)
            found = _FOUND.get(status, f"the store answered {status}; try again later")
            if status == _NOT_THERE:
                raise _NoObjectError(self._refusal(key, found)) from None
        except duckdb.Error as error:
            found = next((words for mark, words in _SAID.items() if mark in str(error)), _NO_WAY)
        else:
            return
        raise SourceError(self._refusal(key, found))

    def _refusal(self, key: str, found: str) -> str:
        return f"{self._url(key)} cannot be copied: expected a file to read, but {found}"


class _NoObjectError(SourceError):
    """There is no object of that name, or no such bucket."""


def _secret(store: ObjectStore) -> str:
    """SQL that tells a connection, and it alone, how to reach the store."""
    values = {
        "KEY_ID": store.key_id,
        "SECRET": store.secret,
        "SESSION_TOKEN": store.session_token,
        "REGION": store.region,
    }
    options = [f"{name} {literal(value)}" for name, value in values.items() if value]
    if store.endpoint:
        endpoint = urlsplit(store.endpoint)
        if endpoint.scheme not in {"http", "https"} or not endpoint.hostname:
            message = (
                "AWS_ENDPOINT_URL is no address of an object store: expected something like "
                "https://storage.example.com or http://127.0.0.1:9000; correct it or leave it out"
            )
            raise SourceError(message)
        address = endpoint.netloc.rpartition("@")[2] + endpoint.path.rstrip("/")
        options += [
            f"ENDPOINT {literal(address)}",
            f"USE_SSL {str(endpoint.scheme == 'https').lower()}",
            "URL_STYLE 'path'",
        ]
    return f"CREATE SECRET ({', '.join(('TYPE s3', 'PROVIDER config', *options))})"
