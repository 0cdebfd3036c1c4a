"""Files of a web server, copied to this machine block by block.

There is no listing over https, so of a folder the names that a format knows are asked for. Plain
http is for this machine alone.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from dagster_project.sources.addresses import is_private, without_secrets
from dagster_project.sources.copies import amount
from dagster_project.sources.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from dagster_project.connections import Sleep
    from dagster_project.sources.copies import Copies

_WAITS_SECONDS = (1.0, 5.0)
_TIMEOUT_SECONDS = 60
_BLOCK_BYTES = 1024 * 1024
_NOT_THERE = {404, 410}
_FOR_LATER = {408, 429, 500, 502, 503, 504}


def copy_files(
    url: str,
    names: Iterable[str],
    copies: Copies,
    sleep: Sleep,
) -> str:
    """Copy one file, or of a folder (its `url` ends in `/`) what there is of `names`.

    Returns where it lies now. Every copy has the path of its URL.

    Raises:
        SourceError: there is nothing, or it cannot be read.
    """
    _require_allowed(url)
    parts = urlsplit(url)
    parts = parts._replace(path=parts.path or "/", fragment="")
    folder = parts.path.endswith("/")
    wanted = [parts.path + name for name in names] if folder else [parts.path]
    opener = urllib.request.build_opener(_SafeRedirects)
    copied: list[int] = []
    for path in wanted:
        place = copies.place(unquote(path.removeprefix("/")))
        size = _fetch(opener, urlunsplit(parts._replace(path=path)), place, sleep)
        if size is not None:
            copied.append(size)
    if not copied:
        found = "found none of these names" if folder else "found no such file"
        message = (
            f"{without_secrets(url)} has nothing to load: expected "
            f"{_first(wanted)}, {found}; check the spelling"
        )
        raise SourceError(message)
    copies.log(f"copied {amount(copied)} from {without_secrets(url)}")
    return str(copies.root / unquote(parts.path.strip("/")))


def _first(paths: list[str]) -> str:
    names = [path.rpartition("/")[2] for path in paths]
    return ", ".join(names[:3]) + ", …" * (len(names) > 3)


def _fetch(
    opener: urllib.request.OpenerDirector, url: str, place: Path, sleep: Sleep
) -> int | None:
    """Copy one file; the number of its bytes, or None when it is not there.

    Raises:
        SourceError: it cannot be copied.
    """
    for wait in (*_WAITS_SECONDS, None):
        try:
            return _copy(opener, url, place)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _NOT_THERE:
                return None
            found = f"the server answered {error.code} ({error.reason})"
            if error.code not in _FOR_LATER:
                found += "; check the address and, if it is a signed link, whether it has expired"
                raise _refused(url, found) from None
        except (_CutOffError, http.client.IncompleteRead):
            found = "the transfer was cut off"
        except (OSError, http.client.HTTPException) as error:
            found = _why(error)
        place.unlink(missing_ok=True)
        if wait is None:
            raise _refused(url, f"{found}; load again later")
        sleep(wait)
    raise AssertionError


def _copy(opener: urllib.request.OpenerDirector, url: str, place: Path) -> int:
    request = urllib.request.Request(url, headers={"User-Agent": "customer-segments"})  # noqa: S310
    with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer, place.open("wb") as file:
        expected = answer.headers.get("Content-Length")
        size = 0
        while block := answer.read(_BLOCK_BYTES):
            file.write(block)
            size += len(block)
    if expected is not None and expected.isdigit() and size != int(expected):
        raise _CutOffError
    return size


def _why(error: OSError | http.client.HTTPException) -> str:
    """What went wrong with a connection, in words that hold nothing of the request."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "the certificate of the server is not trusted"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return type(reason).__name__


def _refused(url: str, found: str) -> SourceError:
    return SourceError(f"{without_secrets(url)} cannot be copied: expected a file, but {found}")


def _require_allowed(url: str) -> None:
    parts = urlsplit(url)
    if parts.username is not None:
        message = (
            f"{without_secrets(url)} has a user or password in front of the host: expected "
            "https://host/path; use a signed link instead"
        )
        raise SourceError(message)
    if not is_private(url):
        message = f"{without_secrets(url)} is not safe to read: expected https://host/path"
        raise SourceError(message)


class _CutOffError(Exception):
    """Fewer bytes came than were announced."""


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows where we would have gone ourselves, and nowhere else."""

    def redirect_request(  # noqa: PLR0917 - the library's signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _require_allowed(newurl)
        except SourceError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
