"""What passes between the web server and a vendor's stand-in: a call, a reply, a refusal."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol, Self

from syncs.sandbox.faults import Rule

JsonObject = dict[str, Any]
JSON_MEDIA_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a vendor, with its body read.

    Attributes:
        method: HTTP method in capitals.
        path: Path below the vendor's base URL, percent-decoded, with a leading slash.
        params: What the operation's path pattern captured.
        query: Query parameters; of a repeated one the last.
        headers: Header values by lower-case name.
        body: The body, with any content encoding already undone.
        base: The vendor's base URL as the caller wrote it, to build paging links from.
        now: Seconds since the epoch.
        rule: The fault that shall shape the handling of this call, if any.
        parameters: Query and body read as one, where a vendor does not tell them apart.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str
    now: float
    params: Mapping[str, str] = field(default_factory=dict)
    rule: Rule | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `rows`, `target` and `throttled` only feed the request log."""

    status: int
    body: bytes = b""
    media_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    target: str = ""
    throttled: bool = False

    def adding(self, headers: Mapping[str, str]) -> Self:
        """The same answer with more headers."""
        return replace(self, headers={**self.headers, **headers})


class RefusedError(Exception):
    """The vendor refuses the call; nothing of it is applied."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused with HTTP {reply.status}")
        self.reply = reply


Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented endpoint of a vendor.

    Attributes:
        name: The vendor's own name of it where there is one; limits and faults refer to it.
        method: HTTP method in capitals.
        path: Pattern the whole path must match.
        writes: Whether it changes what the vendor holds.
        handle: Does the work, inside one database transaction.
    """

    name: str
    method: str
    path: re.Pattern[str]
    writes: bool
    handle: Handler


class Vendor(Protocol):
    """One stand-in."""

    name: str

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]] | None:
        """The operation behind a path, with the values its pattern captured."""
        ...

    def answer(self, operation: Operation | None, call: Call) -> Reply:
        """Checks credentials and limits, then does the work; may raise RefusedError."""
        ...

    def failure(self, status: int, detail: str) -> Reply:
        """An error of this status in the vendor's own shape."""
        ...

    def settle(self, now: float) -> None:
        """Applies asynchronous work that is due; opens its own transaction."""
        ...

    def forget(self) -> None:
        """Empties what is held in memory: limiter windows and due times."""
        ...


def first_match(
    operations: tuple[Operation, ...], method: str, path: str
) -> tuple[Operation, Mapping[str, str]] | None:
    """The operation that serves this method and path."""
    for operation in operations:
        if operation.method == method and (match := operation.path.fullmatch(path)):
            return operation, match.groupdict()
    return None


def json_reply(
    status: int,
    content: object,
    *,
    media_type: str = JSON_MEDIA_TYPE,
    rows: int = 0,
    target: str = "",
    throttled: bool = False,
) -> Reply:
    """An answer with a JSON body."""
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return Reply(status, body, media_type, rows=rows, target=target, throttled=throttled)


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def parse_json(raw: bytes | str) -> object:
    """Strict JSON: NaN and Infinity, which Python would take, raise ValueError."""
    parsed: object = json.loads(raw, parse_constant=_no_constant)
    return parsed


def media_type_of(headers: Mapping[str, str]) -> str:
    """The request's media type without parameters, in lower case; empty if not given."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
