"""A stand-in of Klaviyo's imports that costs next to nothing: it counts profiles and agrees.

The sandbox checks every row, which takes longer than sending them. What is measured against this
server is the sender alone. Run as ``python -m tests.benchmarks.sink PORT_FILE``.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

# How each payload begins.
_PROFILE = b'{"type":"profile","attributes"'


class Sink:
    """Takes imports, reports every job as complete, and tells what it took at ``/taken``."""

    def __init__(self) -> None:
        self._jobs: list[int] = []
        self._requests = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _read(receive)
        path = str(scope["path"])
        self._requests += path != "/taken"
        if scope["method"] == "POST":
            self._jobs.append(body.count(_PROFILE))
            await _answer(send, 202, {"data": {"id": str(len(self._jobs) - 1)}})
        elif path == "/taken":
            taken = {"imports": len(self._jobs), "rows": sum(self._jobs)}
            await _answer(send, 200, {**taken, "requests": self._requests})
        else:
            rows = self._jobs[int(path.rsplit("/", 1)[1])]
            counts = {"total_count": rows, "completed_count": rows, "failed_count": 0}
            await _answer(send, 200, {"data": {"attributes": {"status": "complete", **counts}}})


async def _read(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, document: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def main(port_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port_file.write_text(str(listening.getsockname()[1]))
        server = uvicorn.Server(uvicorn.Config(Sink(), log_level="error", lifespan="off"))
        server.run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
