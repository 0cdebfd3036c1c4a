"""The sandbox as one ASGI application: three vendors, each under its own base URL."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from syncs.sandbox.attentive.vendor import Attentive
from syncs.sandbox.calls import Vendor
from syncs.sandbox.config import Config, Settings
from syncs.sandbox.control import Control
from syncs.sandbox.facebook.vendor import Facebook
from syncs.sandbox.faults import Faults
from syncs.sandbox.gate import Gate
from syncs.sandbox.klaviyo.vendor import Klaviyo
from syncs.sandbox.store import Store

_SETTLE_SECONDS = 0.1


class Activity:
    """Notes when the last call began or ended, so that an idle server can stop itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running = 0
        self._last = time.monotonic()

    def idle_seconds(self) -> float:
        """Seconds without any call; 0 while one is running."""
        return 0.0 if self._running else time.monotonic() - self._last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a call on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1
            self._last = time.monotonic()


def _vendors(store: Store, settings: Settings) -> tuple[Vendor, ...]:
    return Klaviyo(store, settings), Attentive(store, settings), Facebook(store, settings)


def create_app(home: Path, *, clock: Callable[[], float] = time.time) -> Starlette:
    """Builds the sandbox of a home folder.

    `/klaviyo`, `/attentive` and `/facebook` are the vendors' base URLs, `/_sandbox` is control.

    Args:
        home: Folder of the deployment; the state below it is kept from run to run.
        clock: Seconds since the epoch; limits and asynchronous work go by it.
    """
    store = Store(home)
    row = store.connection.execute("select config from settings").fetchone()
    settings = Settings(Config.model_validate_json(row[0]) if row else Config())
    faults = Faults()
    vendors = _vendors(store, settings)
    control = Control(store, settings, faults, vendors, clock)

    async def settle_for_ever() -> None:
        # Accepted work becomes visible even if nobody asks, for readers of the state file.
        while True:
            for vendor in vendors:
                vendor.settle(clock())
            await asyncio.sleep(_SETTLE_SECONDS)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        task = asyncio.create_task(settle_for_ever())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            store.close()

    app = Starlette(
        routes=[
            *(
                Mount(f"/{vendor.name}", app=Gate(vendor, store, settings, faults, clock))
                for vendor in vendors
            ),
            Mount("/_sandbox", routes=control.routes()),
        ],
        lifespan=lifespan,
    )
    app.state.instance = secrets.token_hex(8)
    app.state.store = store
    return app
