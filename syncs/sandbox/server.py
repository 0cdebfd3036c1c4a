"""Serving the sandbox on loopback: in the foreground, in a thread, or started by need."""

import asyncio
import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from syncs.sandbox.app import Activity, create_app
from syncs.sandbox.connections import HangUpProtocol

_HOST = "127.0.0.1"
_START_SECONDS = 20.0
_HEALTH_SECONDS = 5.0
_POLL_SECONDS = 0.05
_LOG_TAIL_BYTES = 2_000
# A filter with 100 addresses makes a long request line.
_MAX_HEAD_BYTES = 65_536


class SandboxStartError(RuntimeError):
    """The sandbox did not come up; the message ends with the tail of its log."""


class _Server(uvicorn.Server):
    """Publishes the address while it is listening."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[bool], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announce(True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Before the graceful part: nobody shall be sent to a server that is leaving.
        self._announce(False)
        await super().shutdown(sockets)


def serve(home: Path, port: int = 0, idle_seconds: float | None = None) -> None:
    """Serves the sandbox of a home folder until stopped.

    Writes `sandbox/address.json` (port, pid) below it once listening, and removes it at the end.

    Args:
        home: Folder of the deployment.
        port: Port on loopback; 0 takes a free one.
        idle_seconds: Stops by itself after so long without a call; None never.

    Raises:
        OSError: The port is taken.
    """
    with _listener(port) as listener:
        asyncio.run(_serve(home, listener, idle_seconds, lambda _server: None))


@contextlib.contextmanager
def running(home: Path, *, clock: Callable[[], float] = time.time) -> Iterator[str]:
    """Serves the sandbox from a thread of this process and yields its base address.

    Args:
        home: Folder of the deployment.
        clock: Seconds since the epoch.

    Raises:
        SandboxStartError: It did not come up.
    """
    servers: list[_Server] = []
    with _listener(0) as listener:
        address = f"http://{_HOST}:{listener.getsockname()[1]}"
        thread = threading.Thread(
            target=lambda: asyncio.run(_serve(home, listener, None, servers.append, clock)),
            daemon=True,
        )
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not (servers and servers[0].started):
            if not thread.is_alive() or time.monotonic() > deadline:
                message = "the sandbox did not start"
                raise SandboxStartError(message)
            time.sleep(0.005)
        try:
            yield address
        finally:
            servers[0].should_exit = True
            thread.join()


def ensure_running(home: Path, *, idle_seconds: float = 120) -> str:
    """The base address of a live sandbox for this home folder, started if there is none.

    Two callers at once start only one. The server is a process of its own and outlives us.

    Args:
        home: Folder of the deployment.
        idle_seconds: A server started here stops by itself after so long without a call.

    Raises:
        SandboxStartError: It did not answer within 20 seconds.
    """
    folder = home.resolve() / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        alive = _alive(folder)
        return alive if alive is not None else _start(folder, idle_seconds)


def _start(folder: Path, idle_seconds: float) -> str:
    command = [
        sys.executable, "-m", "syncs.sandbox",
        "--home", str(folder.parent), "--idle-seconds", str(idle_seconds),
    ]  # fmt: skip
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    # Somebody must collect its exit status when we live longer than it does.
    threading.Thread(target=process.wait, daemon=True).start()
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        alive = _alive(folder)
        if alive is not None:
            return alive
        time.sleep(_POLL_SECONDS)
    process.kill()
    tail = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
    message = f"the sandbox did not start; its log ends with:\n{tail}"
    raise SandboxStartError(message)


def _alive(folder: Path) -> str | None:
    """The base address in the address file, if it is this home's sandbox that answers there."""
    try:
        known = json.loads((folder / "address.json").read_text())
        address = f"http://{_HOST}:{int(known['port'])}"
        # No proxy of the environment may come between us and loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{address}/_sandbox/health", timeout=_HEALTH_SECONDS) as answer:
            health = json.load(answer)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return address if health.get("instance") == known.get("instance") else None


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


async def _serve(
    home: Path,
    listener: socket.socket,
    idle_seconds: float | None,
    started: Callable[[_Server], None],
    clock: Callable[[], float] = time.time,
) -> None:
    app = create_app(home, clock=clock)
    activity = Activity(app)
    file = home / "sandbox" / "address.json"
    known = {
        "port": listener.getsockname()[1],
        "pid": os.getpid(),
        "instance": app.state.instance,
    }

    def announce(listening: bool) -> None:
        if listening:
            fresh = file.with_suffix(f".{os.getpid()}.tmp")
            fresh.write_text(json.dumps(known))
            fresh.replace(file)
        else:
            with contextlib.suppress(OSError, ValueError):
                if json.loads(file.read_text()) == known:
                    file.unlink()

    server = _Server(
        uvicorn.Config(
            activity,
            http=HangUpProtocol,
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
        ),
        announce,
    )
    started(server)
    watch = asyncio.create_task(_stop_when_idle(server, activity, idle_seconds))
    try:
        await server.serve(sockets=[listener])
    finally:
        watch.cancel()


async def _stop_when_idle(server: _Server, activity: Activity, idle_seconds: float | None) -> None:
    while idle_seconds is not None:
        await asyncio.sleep(min(idle_seconds / 4, 1.0))
        if activity.idle_seconds() > idle_seconds:
            server.should_exit = True
            return
