"""Demo mode: the vendors' places are taken by the sandbox on loopback, started by need.

Reached by changing only the base URL. Before the first sync, everybody of the shop who ever gave
Klaviyo their address (any e-mail consent but "never") already has a profile there, as in a real
account, so that update-only has something to update and something to leave out.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from syncs import workspace
from syncs.errors import UnreachableError
from syncs.settings import SyncSettings

_SEED_BATCH = 10_000


def base_url(settings: SyncSettings, account: str) -> str:
    """Base URL of one vendor's stand-in, with the sandbox running behind it.

    Raises:
        UnreachableError: the sandbox does not start.
    """
    # A web server's worth of imports, which production never needs.
    from syncs import sandbox  # noqa: PLC0415

    try:
        address = sandbox.ensure_running(settings.home)
        if account == "klaviyo" and not _call(address, "/_sandbox/state")["klaviyo"]["profiles"]:
            _seed_profiles(settings, address)
    except OSError as error:
        message = f"the sandbox cannot be reached ({type(error).__name__})"
        raise UnreachableError(message) from None
    return f"{address}/{account}"


def _seed_profiles(settings: SyncSettings, address: str) -> None:
    with workspace.opened(settings) as work:
        emails = work.con.execute(
            "select distinct email_of(email) from pub.main.customers "
            "where email_of(email) is not null "
            "and email_consent is distinct from 'never' order by 1"
        ).fetchall()
    known = [email for (email,) in emails]
    for start in range(0, len(known), _SEED_BATCH):
        _call(address, "/_sandbox/klaviyo/profiles", {"emails": known[start : start + _SEED_BATCH]})


def _call(address: str, path: str, document: object = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(  # noqa: S310 our own loopback server
        f"{address}{path}", data=body, headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)
