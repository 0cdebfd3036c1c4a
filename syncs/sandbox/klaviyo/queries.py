"""Filters, sparse fields and cursor paging of Klaviyo's collections."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from syncs.sandbox.calls import Call, JsonObject
from syncs.sandbox.klaviyo.problems import problem, refuse

MAX_FILTER_VALUES = 100
_FILTER = re.compile(r"(?P<operator>[a-z-]+)\((?P<field>\w+),(?P<values>.+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: `field` is one of `values`, or compares with the only one."""

    operator: str
    field: str
    values: tuple[str, ...]


def check_parameters(call: Call, allowed: frozenset[str]) -> None:
    """Refuses query parameters the operation does not know."""
    unknown = sorted(call.query.keys() - allowed)
    if unknown:
        raise refuse(
            [problem(f"'{name}' is not a valid parameter.", parameter=name) for name in unknown]
        )


def parse_filter(call: Call, allowed: Mapping[str, frozenset[str]]) -> Filter | None:
    """The filter of a collection request; None without one.

    Args:
        call: The request.
        allowed: Operators by field.
    """
    text = call.query.get("filter")
    if text is None:
        return None
    match = _FILTER.fullmatch(text.strip())
    if match is None:
        raise refuse([problem("Invalid filter provided.", parameter="filter")])
    operator, field = match["operator"], match["field"]
    if field not in allowed or operator not in allowed[field]:
        names = ", ".join(sorted(allowed.get(field, ())))
        detail = (
            f"'{operator}' is not an allowed filter operator for {field}."
            f" Allowed operators are {names}"
        )
        raise refuse([problem(detail, parameter="filter")])
    values = _values(match["values"], operator)
    if len(values) > MAX_FILTER_VALUES:
        detail = f"At most {MAX_FILTER_VALUES} values are allowed."
        raise refuse([problem(detail, parameter="filter")])
    return Filter(operator, field, values)


def _values(text: str, operator: str) -> tuple[str, ...]:
    try:
        parsed = json.loads(text)
    except ValueError:
        # Dates come without quotation marks.
        parsed = text
    listed = parsed if operator == "any" else [parsed]
    if not isinstance(listed, list) or not all(isinstance(value, str) for value in listed):
        raise refuse([problem("Invalid filter provided.", parameter="filter")])
    return tuple(listed)


def page_size(call: Call, default: int, largest: int) -> int:
    """The asked page size, between 1 and the largest."""
    text = call.query.get("page[size]", str(default))
    if not text.isdecimal() or not 1 <= int(text) <= largest:
        detail = f"page[size] must be between 1 and {largest}."
        raise refuse([problem(detail, parameter="page[size]")])
    return int(text)


def page_offset(call: Call) -> int:
    """How many items the cursor says were already shown."""
    cursor = call.query.get("page[cursor]")
    if cursor is None:
        return 0
    try:
        marker, _, offset = base64.urlsafe_b64decode(cursor).decode().partition(":")
        if marker == "next":
            return int(offset)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise refuse([problem("Invalid cursor.", parameter="page[cursor]")])


def page_links(call: Call, offset: int, shown: int, total: int) -> JsonObject:
    """Links of a collection; `next` and `prev` are null at the ends."""

    def link(start: int) -> str:
        cursor = base64.urlsafe_b64encode(f"next:{start}".encode()).decode()
        return f"{call.base}{call.path}?" + urlencode({**call.query, "page[cursor]": cursor})

    own = f"{call.base}{call.path}" + (f"?{urlencode(call.query)}" if call.query else "")
    following = offset + shown
    return {
        "self": own,
        "next": link(following) if following < total else None,
        "prev": link(max(offset - shown, 0)) if offset else None,
    }
