"""Fetches what changed at Shopify since the last time, as results of bulk operations in a folder.

Orders and customers that changed are asked for with one operation each, and then all orders with a
third, since Shopify tells nobody which were deleted. The list is started when the orders are there:
an order it lacks was deleted then, and not placed in between.

A run that ends anywhere is gone on with by the next one: `fetched.json` knows which operations were
begun, and a result that was downloaded in part is downloaded from there. It moves on when a result
is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_project.connections import Sleep
from dagster_project.sources.copies import Log
from dagster_project.sources.errors import SourceError
from dagster_project.sources.shopify_api import ShopifyApi, ShopifyError
from dagster_project.sources.shopify_queries import (
    ALL_ORDERS,
    POLL,
    SCOPES,
    START,
    changed_since,
)
from dagster_project.sources.shopify_state import read_state, write_state

_KINDS = ("orders", "customers")
_LIST = "all-orders"
_NEEDED = ("read_orders", "read_customers")
_WHOLE = "read_all_orders"
# Without read_all_orders an app sees the orders of the last 60 days.
_SEEN_DAYS = 60
# A change becomes visible a moment after the time it bears; what comes twice replaces itself.
_OVERLAP = timedelta(minutes=10)
_FIRST_POLL = 1.0
_LONGEST_POLL = 30.0
_LONGEST_OPERATION = 12 * 3600.0
_BUSY = {"OPERATION_IN_PROGRESS", "LIMIT_REACHED"}

SCHEME = "shopify://"
"""How a location begins that names a shop: `shopify://<name>.myshopify.com`."""

_SHOP = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")


@dataclass(frozen=True, slots=True)
class Account:
    """How to reach a shop; `base_url` is where to ask instead of the shop's own host.

    `list_every_days` is how often all orders are listed; with 0 never, and deleted ones stay.
    """

    token: str | None = field(default=None, repr=False)
    base_url: str | None = None
    list_every_days: int = 1


def fetch_shop(location: str, home: Path, account: Account, *, sleep: Sleep, log: Log) -> Path:
    """Bring what changed in the shop at `location` into a folder of its own below `home`.

    Returns that folder, which is a source of format `shopify_bulk`.

    Raises:
        SourceError: the location names no shop, or there is no token.
        ShopifyError: see `Fetcher.fetch`.
    """
    shop = location.removeprefix(SCHEME).rstrip("/").lower()
    if not _SHOP.fullmatch(shop):
        message = (
            f"SEGMENTS_SOURCE is {location}: expected {SCHEME}<name>.myshopify.com, the name the "
            "shop has in its admin's address"
        )
        raise SourceError(message)
    if not account.token:
        message = f"SHOPIFY_ACCESS_TOKEN is not set; an app that is installed in {shop} has one"
        raise SourceError(message)
    folder = home / "shopify" / shop
    with ShopifyApi(shop, account.token, sleep=sleep, base_url=account.base_url) as api:
        fetcher = Fetcher(
            api,
            folder,
            shop=shop,
            sleep=sleep,
            log=log,
            list_every_days=account.list_every_days,
        )
        fetched = fetcher.fetch()
    log(f"{shop}: {len(fetched.files)} new files of results")
    return folder


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch brought: the new files, and since when orders can be seen (None: all)."""

    files: tuple[str, ...]
    whole_from: str | None


@dataclass(frozen=True, slots=True)
class _Operation:
    id: str
    created_at: datetime
    is_from_before: bool


class Fetcher:
    """Fetches the results of one shop into `folder`, which belongs to it alone.

    Args:
        api: the shop's Admin API.
        folder: made when it is missing; readable for its owner only.
        shop: written into the state, so that two shops never share a folder.
        sleep: waits between questions; injected.
        log: told what is going on, with counts and no person.
        list_every_days: how often all orders are listed; 0 never, then deleted ones stay.
    """

    def __init__(
        self,
        api: ShopifyApi,
        folder: Path,
        *,
        shop: str,
        sleep: Sleep,
        log: Log,
        list_every_days: int = 1,
    ) -> None:
        self._api = api
        self._folder = folder
        self._sleep = sleep
        self._log = log
        self._list_every = timedelta(days=list_every_days)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._state = _state_of(folder, shop)

    def fetch(self) -> Fetched:
        """Bring the folder up to date.

        Raises:
            ShopifyError: a scope is missing, an operation failed, or Shopify did not answer. What
                was fetched before stays, and the next fetch goes on from there.
        """
        sees_all = self._sees_all_orders()
        begun = {kind: self._begin(kind) for kind in _KINDS}
        files = []
        for kind, first in begun.items():
            operation = first
            files.append(self._bring(kind, operation, sees_all=sees_all))
            # Begun by a run that ended: what changed since then is not in it.
            while operation.is_from_before:
                operation = self._begin(kind)
                files.append(self._bring(kind, operation, sees_all=sees_all))
        # To an app that sees sixty days a list lacks every older order, deleted or not.
        if sees_all and self._is_list_due():
            files.append(self._bring(_LIST, self._start(ALL_ORDERS), sees_all=sees_all))
        whole_from = self._state.get("whole_from")
        return Fetched(tuple(name for name in files if name), whole_from)

    def _sees_all_orders(self) -> bool:
        """Whether the app may read orders of any age.

        Raises:
            ShopifyError: it may not read orders and customers at all.
        """
        installed = self._api.ask(SCOPES).get("currentAppInstallation") or {}
        handles = {scope["handle"] for scope in installed.get("accessScopes", [])}
        if missing := [scope for scope in _NEEDED if scope not in handles]:
            message = (
                f"the app of SHOPIFY_ACCESS_TOKEN lacks the access scope {' and '.join(missing)}: "
                "grant it in the app's settings and install the app again"
            )
            raise ShopifyError(message)
        if _WHOLE not in handles:
            self._log(
                f"the app lacks the scope {_WHOLE}: only orders of the last {_SEEN_DAYS} days are "
                "seen, so who bought before is taken for new, and deleted orders are not noticed"
            )
            return False
        if self._state.pop("whole_from", None) is not None:
            # What could not be seen so far did not change, so only everything has it.
            self._state.pop("orders", None)
            self._state.pop("begun", None)
        return True

    def _begin(self, kind: str) -> _Operation:
        """An operation for what changed: one that a run before this one began, or a new one."""
        begun = self._state.setdefault("begun", {})
        if kind in begun:
            operation = _operation(begun[kind], is_from_before=True)
            found = self._api.ask(POLL, {"id": operation.id}).get("bulkOperation")
            if found is not None and _can_be_had(found):
                self._log(f"{kind}: going on with the operation that was begun before")
                return operation
        operation = self._start(changed_since(kind, self._state.get(kind)))
        begun[kind] = {"id": operation.id, "createdAt": _text(operation.created_at)}
        write_state(self._folder, self._state)
        return operation

    def _start(self, query: str) -> _Operation:
        said = ""
        for pause in _pauses():
            answer = self._api.ask(START, {"query": query})["bulkOperationRunQuery"]
            if not (errors := answer.get("userErrors") or []):
                return _operation(answer["bulkOperation"], is_from_before=False)
            said = "; ".join(str(error.get("message")) for error in errors)
            if {error.get("code") for error in errors} - _BUSY:
                break
            self._log("other bulk operations of this app are running; waiting for them")
            self._sleep(pause)
        message = f"Shopify did not start a bulk operation: {said}"
        raise ShopifyError(message)

    def _is_list_due(self) -> bool:
        if not self._list_every:
            return False
        listed, orders = self._state.get(_LIST), self._state["orders_at"]
        # A daily run is not always as late as the one before it.
        slack = timedelta(hours=1)
        return listed is None or _instant(orders) - _instant(listed) >= self._list_every - slack

    def _bring(self, kind: str, operation: _Operation, *, sees_all: bool) -> str | None:
        """Wait for a result and put it into the folder; returns its name, None when it is empty."""
        done = self._wait(operation, kind)
        file = self._folder / f"{operation.created_at:%Y%m%dT%H%M%SZ}-{kind}.jsonl"
        if done["url"] is not None and not file.exists():
            size = int(done["fileSize"])
            part = file.with_suffix(".part")
            self._api.download(done["url"], part, size)
            part.replace(file)
            self._log(f"{kind}: {int(done['objectCount']):,} objects, {size:,} bytes")
        is_first = kind == "orders" and "orders" not in self._state
        if is_first and not sees_all:
            seen_from = operation.created_at - timedelta(days=_SEEN_DAYS)
            self._state["whole_from"] = f"{seen_from:%Y-%m-%d}"
        self._state["begun"].pop(kind, None)
        self._state[f"{kind}_at"] = _text(operation.created_at)
        self._state[kind] = _text(operation.created_at - _OVERLAP)
        write_state(self._folder, self._state)
        return file.name if done["url"] is not None else None

    def _wait(self, operation: _Operation, name: str) -> dict[str, Any]:
        """What Shopify says of an operation that has come to its end."""
        for pause in _pauses():
            found = self._api.ask(POLL, {"id": operation.id}).get("bulkOperation")
            status = found["status"] if found else "EXPIRED"
            if found is not None and status == "COMPLETED":
                return dict(found)
            if found is None or status not in {"CREATED", "RUNNING"}:
                reason = found.get("errorCode") if found else None
                message = (
                    f"the bulk operation for {name} ended as {status}"
                    f"{f' ({reason})' if reason else ''}: materialise again to start a new one"
                )
                raise ShopifyError(message)
            self._log(f"{name}: {status.lower()}, {int(found['objectCount']):,} objects so far")
            self._sleep(pause)
        message = (
            f"the bulk operation for {name} is still running after "
            f"{_LONGEST_OPERATION / 3600:.0f} hours: materialise again later to go on"
        )
        raise ShopifyError(message)


def _pauses() -> Iterator[float]:
    """Seconds between two questions, longer and longer, as long as it is worth to wait."""
    waited, pause = 0.0, _FIRST_POLL
    while waited <= _LONGEST_OPERATION:
        yield pause
        waited, pause = waited + pause, min(2 * pause, _LONGEST_POLL)


def _state_of(folder: Path, shop: str) -> dict[str, Any]:
    """How far the results of a shop reach.

    Raises:
        ShopifyError: the folder has those of another shop.
        LoadError: the state is damaged.
    """
    state = read_state(folder) or {"shop": shop}
    if state.get("shop") != shop:
        message = (
            f"the folder of results has those of another shop than {shop}: empty it, and "
            "everything is fetched anew"
        )
        raise ShopifyError(message)
    return state


def _can_be_had(found: dict[str, Any]) -> bool:
    """Whether an operation has a result or may still get one."""
    if found["status"] == "COMPLETED":
        return bool(found["url"]) or int(found["objectCount"]) == 0
    return found["status"] in {"CREATED", "RUNNING"}


def _operation(node: dict[str, Any], *, is_from_before: bool) -> _Operation:
    return _Operation(str(node["id"]), _instant(node["createdAt"]), is_from_before)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
