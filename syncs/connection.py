"""One destination account, ready to be talked to: address, credentials, limits, transport."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from syncs import credentials, demo
from syncs.credentials import Credentials
from syncs.destinations.registry import HEADERS, HOSTS, LIMITS
from syncs.ratelimit import RateLimiter
from syncs.settings import DEMO, SyncSettings
from syncs.transport import Transport


@dataclass(frozen=True)
class Connection:
    """How one run talks to one account; ``run_id`` is unique for ever."""

    transport: Transport
    credentials: Credentials
    run_id: str


@asynccontextmanager
async def connected(
    settings: SyncSettings, account: str, *, now: datetime
) -> AsyncIterator[Connection]:
    """Open a connection to ``klaviyo``, ``attentive`` or ``facebook``.

    Raises:
        CredentialsError: a credential is missing.
        UnreachableError: in demo mode, the sandbox does not start.
    """
    secret = credentials.resolve(account, demo=settings.env == DEMO)
    base = settings.base_url(account)
    if base is None:
        base = demo.base_url(settings, account) if settings.env == DEMO else HOSTS[account]
    # Whoever makes the folder first decides who may look into it.
    settings.ledgers.mkdir(parents=True, exist_ok=True, mode=0o700)
    limiters = {
        operation: RateLimiter(settings.ledgers / "limits" / f"{account}-{operation}", limits)
        for operation, limits in LIMITS[account].items()
    }
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:12]}"
    async with Transport(base, HEADERS[account](secret.token), limiters.__getitem__) as transport:
        yield Connection(transport, secret, run_id)
