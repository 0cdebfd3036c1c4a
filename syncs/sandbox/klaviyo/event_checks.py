"""What Klaviyo accepts as an event."""

import re
from dataclasses import dataclass

from syncs.sandbox.calls import JsonObject
from syncs.sandbox.klaviyo.checks import (
    EVENT_PROFILE_FIELDS,
    as_object,
    identified,
    instant,
    is_oversized,
    profile_problems,
)
from syncs.sandbox.klaviyo.problems import problem

EVENT_FIELDS = frozenset(
    {
        "properties", "time", "value", "value_currency", "unique_id", "metric", "profile",
        "backfill",
    },
)  # fmt: skip
MAX_PROPERTIES = 400
MAX_STRING_BYTES = 100_000
MAX_ITEMS = 4_000
MAX_NESTING = 10
MAX_UNIQUE_ID = 255
MAX_METRIC_NAME = 127
_OLDEST = 631_152_000.0  # 1990-01-01T00:00:00Z
_YEAR_SECONDS = 366 * 86_400
_CURRENCY = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Event:
    """One acceptable event, with the profile it is about as a profile resource."""

    profile: JsonObject
    metric: str
    unique_id: str
    at: int
    value: float | None
    currency: str | None
    properties: JsonObject
    backfill: bool

    @property
    def email(self) -> str:
        """The address the event is about; empty when it has none."""
        return str(self.profile["attributes"].get("email") or "")


def read_event(
    attributes: object, pointer: str, *, profile: JsonObject | None, backfill: bool, now: float
) -> Event | list[JsonObject]:
    """An event, or what is wrong with it.

    Args:
        attributes: The event's attributes as sent.
        pointer: Where they are in the request.
        profile: In a bulk request, the profile resource the event is listed under.
        backfill: The flag of the block the event is listed under.
        now: Seconds since the epoch, the time of an event that gives none.
    """
    if not isinstance(attributes, dict):
        return [problem("An object is expected here.", pointer=pointer)]
    allowed = EVENT_FIELDS if profile is None else EVENT_FIELDS - {"profile"}
    found = [
        problem(
            f"'{name}' is not a valid field for the resource 'event'.", pointer=f"{pointer}/{name}"
        )
        for name in attributes.keys() - allowed
    ]
    if profile is None:
        read = read_profile(attributes.get("profile"), f"{pointer}/profile")
        if isinstance(read, list):
            return found + read
        profile = read
    metric, metric_found = _metric(attributes.get("metric"), f"{pointer}/metric")
    found += metric_found
    at = now if attributes.get("time") is None else instant(attributes["time"])
    if at is None or not _OLDEST <= at <= now + _YEAR_SECONDS:
        found.append(problem("Invalid time.", pointer=f"{pointer}/time"))
    found += _property_problems(attributes.get("properties"), f"{pointer}/properties")
    found += _value_problems(attributes, pointer)
    if found or at is None:
        return found
    return Event(
        profile=profile,
        metric=metric,
        unique_id=attributes.get("unique_id") or str(int(at)),
        at=int(at),
        value=attributes.get("value"),
        currency=attributes.get("value_currency"),
        properties=attributes["properties"],
        backfill=bool(attributes.get("backfill", backfill)),
    )


def read_profile(holder: object, pointer: str) -> JsonObject | list[JsonObject]:
    """The profile resource of an event, or what is wrong with it."""
    wrapped = as_object(holder, pointer)
    data = wrapped if isinstance(wrapped, list) else wrapped.get("data")
    at = f"{pointer}/data"
    if not isinstance(data, dict) or data.get("type") != "profile":
        return [problem("A profile is expected here.", pointer=at)]
    attributes = data.get("attributes", {})
    if not isinstance(attributes, dict):
        return [problem("An object is expected here.", pointer=f"{at}/attributes")]
    found = profile_problems(
        attributes, f"{at}/attributes", fields=EVENT_PROFILE_FIELDS, phones=True
    )
    if not identified(data, attributes):
        found.append(problem("An identifier is required.", pointer=f"{at}/attributes"))
    if not found and is_oversized(data):
        found.append(problem("The profile is too large.", pointer=at))
    return found or {**data, "attributes": attributes}


def _metric(holder: object, pointer: str) -> tuple[str, list[JsonObject]]:
    data = holder.get("data") if isinstance(holder, dict) else None
    if not isinstance(data, dict) or data.get("type") != "metric":
        return "", [problem("A metric is expected here.", pointer=pointer)]
    name = (data.get("attributes") or {}).get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_METRIC_NAME:
        return "", [problem("Invalid name.", pointer=f"{pointer}/data/attributes/name")]
    return name, []


def _value_problems(attributes: JsonObject, pointer: str) -> list[JsonObject]:
    found = []
    value = attributes.get("value")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        found.append(problem("A valid number is required.", pointer=f"{pointer}/value"))
    currency = attributes.get("value_currency")
    if currency is not None and not (isinstance(currency, str) and _CURRENCY.fullmatch(currency)):
        found.append(problem("Invalid currency.", pointer=f"{pointer}/value_currency"))
    unique_id = attributes.get("unique_id")
    if unique_id is not None and not (
        isinstance(unique_id, str) and 0 < len(unique_id) <= MAX_UNIQUE_ID
    ):
        found.append(problem("Invalid unique_id.", pointer=f"{pointer}/unique_id"))
    if not isinstance(attributes.get("backfill", False), bool):
        found.append(problem("Not a valid boolean.", pointer=f"{pointer}/backfill"))
    return found


def _property_problems(properties: object, pointer: str) -> list[JsonObject]:
    if not isinstance(properties, dict):
        return [problem("An object is expected here.", pointer=pointer)]
    if len(properties) > MAX_PROPERTIES:
        return [problem(f"At most {MAX_PROPERTIES} properties.", pointer=pointer)]
    return [
        problem("Invalid property.", pointer=f"{pointer}/{name}")
        for name, value in properties.items()
        if name.startswith("$") or not _fits(value, 1)
    ]


def _fits(value: object, depth: int) -> bool:
    if depth > MAX_NESTING:
        return False
    if isinstance(value, str):
        return len(value.encode()) <= MAX_STRING_BYTES
    if isinstance(value, list):
        return len(value) <= MAX_ITEMS and all(_fits(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return all(_fits(item, depth + 1) for item in value.values())
    # bool is an int too, and passes.
    return not isinstance(value, int) or -(2**63) <= value < 2**63
