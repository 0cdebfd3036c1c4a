"""A server on loopback that answers whatever a test wants, and what may come back from it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hypothesis import strategies as st

# Whom the answers try to make us name.
EMAIL, PHONE = "ada.secret@mail.example", "+12025550199"
IDENTIFIERS = (EMAIL, PHONE, PHONE[1:])


@dataclass(frozen=True)
class Answer:
    """One answer; ``manner`` says how it is given."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: str = "whole"  # or "silent", "dripping", "torn"


Script = Callable[[str, str], Answer]


class Hostile:
    """The server; ``script`` is asked with method and path, and may be replaced at any time."""

    def __init__(self, script: Script = lambda *_: Answer()) -> None:
        self.script = script
        self.requests = 0
        self.address = ""
        self.over = threading.Event()


@contextmanager
def serving() -> Iterator[Hostile]:
    """A hostile server in threads of its own."""
    hostile = Hostile()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.connection.settimeout(30)

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            hostile.requests += 1
            found = hostile.script(self.command, self.path)
            if found.manner == "silent":
                hostile.over.wait(30)
                self.close_connection = True
                return
            head = [f"HTTP/1.1 {found.status} Whatever"]
            # RFC 9110 gives these two no body.
            body = b"" if found.status in (204, 304) else found.body
            head += [f"{name}: {value}" for name, value in found.headers.items()]
            head.append(f"content-length: {len(body) + (found.manner != 'whole') * 10_000}")
            # In one piece: two of them wait for each other.
            self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + body)
            if found.manner != "whole":
                self.close_connection = True
            while found.manner == "dripping" and not hostile.over.wait(0.02):
                self.wfile.write(b" ")

        do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815 as the base class wants

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        hostile.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hostile
        finally:
            hostile.over.set()
            server.shutdown()
            thread.join()


# Words the readers of answers look for, so that what is generated goes deeper than a first check.
_KEYS = [
    "data",
    "id",
    "attributes",
    "errors",
    "source",
    "pointer",
    "code",
    "title",
    "detail",
    "meta",
    "links",
    "next",
    "status",
    "total_count",
    "completed_count",
    "failed_count",
    "original_payload",
    "email",
    "phone_number",
    "properties",
    "error",
    "error_subcode",
    "is_transient",
    "fbtrace_id",
    "message",
    "num_received",
    "num_invalid_entries",
    "session_id",
    "audience_id",
    "paging",
    "cursors",
    "after",
    "name",
    "subtype",
    "operation_status",
    "delivery_status",
    "tos_accepted",
    "custom_audience_tos",
    "success",
    "processed",
    "value",
    "attribute",
    "used",
]
_TEXTS = (
    *("", "complete", "processing", "cancelled", "1", "Buyers", "\x00", "\ud800", "\udfff\ud800"),
    *("../../me", "?access_token=x", "a" * 3_000, "é\u202e", "1e999", "null"),
    *("/data/attributes/profiles/data/0/attributes/email", "/events-bulk-create/data/1"),
    *("/profiles/data/99999999999999999999", "/profiles/data/-1", f"/profiles/data/0/{EMAIL}"),
    *("https://elsewhere.example/api/profiles?page%5Bcursor%5D=abc", "?page[cursor]=\ud800"),
    *(f"Invalid input for {EMAIL}", EMAIL, PHONE, f"duplicate {PHONE[1:]}", EMAIL.upper()),
)
_NUMBERS = (0, 1, 2, 3, -1, 10**30, 10**400, 4, 17, 80003, 100, 200, 190, 33, 1870047, 0.5)
_texts = st.sampled_from(_TEXTS)
_numbers = st.sampled_from(_NUMBERS)
_leaves = st.one_of(
    _texts,
    _texts,
    _numbers,
    st.none(),
    st.booleans(),
    st.sampled_from([float("nan"), float("inf"), -float("inf")]),
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)


def _object(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(members)


def _any_of(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=members)


_rows = st.sampled_from([f"/{where}/{row}" for row in (0, 2, 3, -1, 10**20) for where in
         ("data/attributes/profiles/data", "data/attributes/events-bulk-create/data")])  # fmt: skip
_pointers = st.one_of(
    _leaves, _rows, st.tuples(_rows, _texts).map(lambda parts: f"{parts[0]}/{parts[1]}")
)
_error = _object(code=_leaves, title=_leaves, source=_object(pointer=_pointers))
_links = _any_of(next=st.one_of(_leaves, st.just("https://a.example/?page[cursor]=abc")))
_count = st.one_of(_numbers, st.sampled_from([0, 1, 2, 3]), _leaves)
_profile = _object(
    attributes=_any_of(email=st.one_of(_texts, st.just(EMAIL)), properties=_trees, code=_leaves)
)
_graph_error = _object(
    error=_any_of(
        code=st.one_of(_numbers, _leaves), error_subcode=_numbers, message=_texts,
        is_transient=_leaves,
    )
)  # fmt: skip
# What an endpoint documents, each place of it with anything in it; by vendor.
_SHAPES: dict[str, tuple[st.SearchStrategy[Any], ...]] = {
    "klaviyo": (
        _object(errors=st.lists(_error, min_size=1, max_size=3)),
        _object(data=_object(id=_leaves)),
        _object(
            data=_object(
                attributes=st.fixed_dictionaries(
                    {"status": st.just("complete"), "failed_count": _count},
                    optional={"total_count": _count, "completed_count": _count},
                )
            )
        ),
        _object(
            data=st.lists(
                _object(
                    attributes=_any_of(
                        code=_leaves,
                        title=_leaves,
                        original_payload=_any_of(email=_texts),
                    )
                ),
                max_size=3,
            ),
            links=_links,
        ),
        _object(data=st.lists(_profile, max_size=3), links=_links),
    ),
    "attentive": (
        st.lists(_any_of(name=_leaves, attribute=_leaves, value=_trees), max_size=3),
        _any_of(id=_leaves, processed=_leaves),
    ),
    "facebook": (
        _graph_error,
        _object(num_received=_count, session_id=_leaves),
        _object(num_received=st.just(3), num_invalid_entries=_count, session_id=_leaves),
        _object(
            data=st.lists(_object(id=_leaves, name=st.just("Buyers")), max_size=2),
            paging=_object(cursors=_object(after=_leaves), next=_leaves),
        ),
        _any_of(id=_leaves, name=_leaves, operation_status=_object(code=_leaves), success=_leaves),
        _any_of(tos_accepted=_any_of(custom_audience_tos=_leaves)),
    ),
}
_NOT_JSON = (
    b"",
    b"\x00",
    b"<!DOCTYPE html><html><body>Just a moment...</body></html>",
    b'{"data": {"id": "1", "attributes": {"status": "comp',
    b"\xff\xfe\x00garbage\x80",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 5_000,
    b"NaN",
    b'{"data": Infinity}',
    b'"' + b"x" * 1_000_000 + b'"',
    b"null",
    b"true",
    b'"text"',
)
_usage = st.one_of(
    _trees,
    _object(reset_time_duration=_leaves),
    st.dictionaries(_texts, st.lists(_any_of(estimated_time_to_regain_access=_leaves)), min_size=1),
).map(json.dumps)
_headers = st.fixed_dictionaries(
    {"content-type": st.sampled_from(["application/json", "text/html", "x" * 200])},
    optional={
        "x-ad-account-usage": _usage,
        "x-business-use-case-usage": _usage,
        "location": st.sampled_from(["http://127.0.0.1:1/", "///", "http://[", ""]),
    },
)
_waits = st.sampled_from(["-1", "nan", "inf", "1e400", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", ""])


def answers(vendor: str) -> st.SearchStrategy[Answer]:
    """Answers of a vendor gone wrong, most of them nearly right."""
    shaped = st.one_of(*_SHAPES[vendor]).map(lambda tree: json.dumps(tree).encode())
    bodies = st.one_of(
        st.sampled_from(_NOT_JSON),
        _trees.map(lambda tree: json.dumps(tree).encode()),
        st.tuples(shaped, st.integers(1, 60)).map(lambda cut: cut[0][: -cut[1]]),
    )
    return st.one_of(
        st.builds(Answer, status=st.sampled_from([200, 202, 400]), body=shaped, headers=_headers),
        st.builds(Answer, status=st.sampled_from([200, 202, 400]), body=shaped, headers=_headers),
        st.builds(Answer, status=st.integers(200, 599), body=bodies | shaped, headers=_headers),
        st.builds(
            Answer,
            status=st.sampled_from([429, 503]),
            body=bodies,
            headers=_object(**{"retry-after": _waits}),
        ),
    )


def several(vendor: str) -> st.SearchStrategy[list[Answer]]:
    """Answers that come one after the other, again and again."""
    return st.lists(answers(vendor), min_size=1, max_size=4)
