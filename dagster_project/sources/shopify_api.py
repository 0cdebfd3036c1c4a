"""Shopify's Admin API over HTTP: one GraphQL question, or one file of results.

No message holds an answer, a token or the address of a file, which lets anybody read it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

import httpx

from dagster_project.connections import Sleep
from dagster_project.sources.addresses import is_private
from dagster_project.sources.errors import LoadError
from dagster_project.sources.shopify_queries import API_VERSION

_T = TypeVar("_T")

_ATTEMPTS = 6
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# It notes each URL, and the one of a result lets anybody read it.
logging.getLogger("httpx").setLevel(logging.WARNING)


class ShopifyError(LoadError):
    """Shopify refused, or did not answer in time; what was fetched before stays."""


class _AgainError(Exception):
    """Worth another attempt, after `wait` seconds when Shopify named them."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class ShopifyApi:
    """The Admin API of one shop.

    Args:
        shop: the shop's own host, `<name>.myshopify.com`.
        token: an access token of an app that is installed there.
        sleep: waits between attempts; injected.
        base_url: where to ask instead of `https://<shop>`.

    Raises:
        ShopifyError: the address is neither https nor on this machine.
    """

    def __init__(self, shop: str, token: str, *, sleep: Sleep, base_url: str | None = None) -> None:
        self._shop = shop
        base = base_url or f"https://{shop}"
        _require_private(base, "SHOPIFY_BASE_URL")
        self._url = f"{base.rstrip('/')}/admin/api/{API_VERSION}/graphql.json"
        self._sleep = sleep
        self._headers = {"X-Shopify-Access-Token": token}
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The `data` of the answer to a GraphQL document.

        Raises:
            ShopifyError: it was refused, or not answered after several attempts.
        """
        body = {"query": document, "variables": dict(variables or {})}
        return self._patiently(lambda: self._ask_once(body))

    def download(self, address: str, file: Path, size: int | None) -> None:
        """Append to `file` what it lacks of the result at `address`, until it has `size` bytes.

        Raises:
            ShopifyError: the result is gone, or the transfer broke off several times.
        """
        _require_private(address, "the address of the result")
        self._patiently(lambda: self._download_once(address, file, size))

    def _ask_once(self, body: Mapping[str, Any]) -> dict[str, Any]:
        with _translated():
            answer = self._client.post(self._url, json=body, headers=self._headers)
        status = answer.status_code
        if status in (401, 403):
            message = (
                f"{self._shop} refused the access token (HTTP {status}): set SHOPIFY_ACCESS_TOKEN "
                "to a valid one of an app that is installed there"
            )
            raise ShopifyError(message)
        if status == 404:
            message = f"{self._shop} is no shop, or does not know version {API_VERSION} of the API"
            raise ShopifyError(message)
        _require_answer(answer)
        try:
            content = answer.json()
        except ValueError:
            reason = "the answer was no JSON"
            raise _AgainError(reason) from None
        if not isinstance(content, dict):
            reason = "the answer was no JSON object"
            raise _AgainError(reason)
        if errors := content.get("errors"):
            _raise_refusal(errors, self._shop)
        data = content.get("data")
        return data if isinstance(data, dict) else {}

    def _download_once(self, address: str, file: Path, size: int | None) -> None:
        held = file.stat().st_size if file.exists() else 0
        if size is not None and held > size:
            file.unlink()
            held = 0
        if size is not None and held == size:
            return
        headers = {"Range": f"bytes={held}-"} if held else {}
        # Compressed, a part could not be gone on with.
        headers["Accept-Encoding"] = "identity"
        with _translated(), self._client.stream("GET", address, headers=headers) as answer:
            if answer.status_code in (403, 404, 410):
                message = (
                    "the result of a bulk operation is gone (they are kept for seven days): "
                    "materialise again to start a new one"
                )
                raise ShopifyError(message)
            _require_answer(answer)
            goes_on = answer.status_code == 206
            with file.open("ab" if goes_on else "wb") as handle:
                for block in answer.iter_raw():
                    handle.write(block)
        if size is not None and file.stat().st_size != size:
            reason = f"{file.stat().st_size:,} of {size:,} bytes of a result arrived"
            raise _AgainError(reason)

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """Try, wait longer and try again."""
        reason, backoff = "", _FIRST_WAIT
        for nth in range(_ATTEMPTS):
            try:
                return attempt()
            except _AgainError as again:
                reason = str(again)
                if nth < _ATTEMPTS - 1:
                    self._sleep(min(max(again.wait or 0.0, backoff), _LONGEST_WAIT))
                backoff *= 2
        message = (
            f"{self._shop} did not answer as it should, the last of {_ATTEMPTS} times: {reason}; "
            "what was fetched before stays, materialise again to go on"
        )
        raise ShopifyError(message)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        # Its text holds the address.
        raise _AgainError(type(error).__name__) from None


def _require_answer(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    wait = answer.headers.get("Retry-After", "")
    reason = f"HTTP {answer.status_code}"
    if answer.status_code in (408, 416, 429) or answer.status_code >= 500:
        raise _AgainError(reason, float(wait) if wait.isdecimal() else None)
    message = f"Shopify refused a request: {reason}"
    raise ShopifyError(message)


def _raise_refusal(errors: Any, shop: str) -> NoReturn:
    """Errors of GraphQL come with HTTP 200; only being throttled is worth another attempt."""
    found = (
        [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    )
    codes = {str((error.get("extensions") or {}).get("code")) for error in found}
    if "THROTTLED" in codes or "INTERNAL_SERVER_ERROR" in codes:
        raise _AgainError(" and ".join(sorted(codes)))
    # What is wrong with a document of ours: it holds no data of anybody.
    said = "; ".join(str(error.get("message")) for error in found[:3]) or str(errors)
    hint = ": the app lacks an access scope" if "ACCESS_DENIED" in codes else ""
    message = f"{shop} refused a question{hint}: {said}"
    raise ShopifyError(message)


def _require_private(address: str, what: str) -> None:
    if not is_private(address):
        message = f"{what} has to begin with https://"
        raise ShopifyError(message)
