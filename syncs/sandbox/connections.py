"""Hanging up: ends a client's connection without an answer, as a network does."""

import asyncio
import socket
import struct
from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_Ends = tuple[object, object]
_open: dict[_Ends, asyncio.BaseTransport] = {}


class HangUpProtocol(H11Protocol):
    """HTTP whose connections can be cut by whoever knows their two ends."""

    _ends: _Ends | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remembers the connection."""
        self._ends = _ends(
            transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        )
        _open[self._ends] = transport
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        if self._ends is not None:
            _open.pop(self._ends, None)
        super().connection_lost(exc)


def hang_up(scope: MutableMapping[str, Any], *, reset: bool) -> None:
    """Ends the connection of a request; the caller must not answer any more.

    Args:
        scope: The request's ASGI scope.
        reset: Whether the client sees a reset instead of an orderly end.

    Raises:
        ConnectionResetError: The request came over no connection of ours, as in process.
    """
    transport = _open.get(_ends(scope.get("server"), scope.get("client")))
    if transport is None:
        message = "the sandbox hung up"
        raise ConnectionResetError(message)
    raw = transport.get_extra_info("socket")
    if reset and raw is not None:
        # Lingering for zero seconds turns the close into a reset.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if isinstance(transport, asyncio.Transport):
            transport.abort()
    transport.close()


def _ends(server: object, client: object) -> _Ends:
    return _end(server), _end(client)


def _end(address: object) -> object:
    return tuple(address[:2]) if isinstance(address, list | tuple) else address
