"""Klaviyo's collections and documents: filters, pages, and reading JSON of doubtful shape."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from syncs.errors import AnswerLostError
from syncs.transport import Transport

# Of a hundred items each: more than any collection of ours has.
_MOST_PAGES = 1_000


async def pages(
    transport: Transport, path: str, *, operation: str, params: Mapping[str, str]
) -> AsyncIterator[list[Any]]:
    """Every page of a collection, as its list of items.

    Raises:
        AnswerLostError: a page is no list, or the pages have no end.
    """
    asked: dict[str, str] = dict(params)
    seen: set[str] = set()
    while asked:
        response = await transport.request("GET", path, operation=operation, params=asked)
        page = response.json()
        data = dig(page, "data")
        if response.status != 200 or not isinstance(data, list):
            message = f"{operation} answered HTTP {response.status} without a list"
            raise AnswerLostError(message)
        yield data
        cursor = cursor_of(dig(page, "links", "next"))
        if cursor in seen or len(seen) >= _MOST_PAGES:
            message = f"the pages of {operation} have no end"
            raise AnswerLostError(message)
        seen.add(cursor)
        asked = {**asked, "page[cursor]": cursor} if cursor else {}


def any_of(field: str, values: Iterable[str]) -> str:
    """A filter for the profiles whose ``field`` is one of ``values``."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    listed = ",".join(f'"{value}"' for value in escaped)
    return f"any({field},[{listed}])"


def cursor_of(link: object) -> str:
    """The cursor in a ``next`` link, or an empty string at the end (null, absent, odd)."""
    pattern = r"page(?:%5B|\[)cursor(?:%5D|\])=([^&]+)"
    match = re.search(pattern, link, re.IGNORECASE) if isinstance(link, str) else None
    return unquote(match[1]) if match else ""


def dig(value: object, *keys: str) -> Any:
    """A member of nested mappings, or None where the shape is another."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
