"""What Klaviyo accepts: fields, identifiers, sizes. Pure functions that return problems."""

import json
import re
from datetime import UTC, datetime

from syncs.sandbox.calls import JsonObject
from syncs.sandbox.klaviyo.problems import MAX_PROFILE_BYTES, problem

TEXT_FIELDS = frozenset(
    {"first_name", "last_name", "organization", "locale", "title", "image"},
)
IDENTIFIERS = ("email", "phone_number", "external_id", "_kx")
PROFILE_FIELDS = TEXT_FIELDS | {*IDENTIFIERS, "location", "properties"}
EVENT_PROFILE_FIELDS = PROFILE_FIELDS | {"anonymous_id"}
LOCATION_FIELDS = frozenset(
    {
        "address1", "address2", "city", "country", "region", "zip",
        "latitude", "longitude", "timezone", "ip",
    },
)  # fmt: skip
ROW_MEMBERS = frozenset({"type", "id", "attributes", "meta"})

_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+(?:[A-Za-z]{2,}|xn--[A-Za-z0-9-]+)",
)
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
MAX_EMAIL_LENGTH = 100
MAX_EXTERNAL_ID_LENGTH = 255
PHONE_DETAIL = "Invalid phone number format (Example of a valid format: +12345678901)"


def is_email(value: object) -> bool:
    """Whether Klaviyo takes this for an e-mail address."""
    return (
        isinstance(value, str)
        and len(value) <= MAX_EMAIL_LENGTH
        and _EMAIL.fullmatch(value) is not None
    )


def is_phone(value: object) -> bool:
    """Whether Klaviyo takes this for a phone number: E.164."""
    return isinstance(value, str) and _PHONE.fullmatch(value) is not None


def as_object(value: object, pointer: str) -> JsonObject | list[JsonObject]:
    """The value when it is an object, else the problem of it being something else."""
    if isinstance(value, dict):
        return value
    return [problem("An object is expected here.", pointer=pointer)]


def profile_problems(
    attributes: JsonObject, pointer: str, *, fields: frozenset[str], phones: bool
) -> list[JsonObject]:
    """What is wrong with the attributes of one profile.

    Args:
        attributes: The attributes as sent.
        pointer: Where they are in the request.
        fields: The fields this endpoint knows.
        phones: Whether a malformed phone number is an error; in bulk imports it is dropped.
    """
    found = [
        problem(
            f"'{name}' is not a valid field for the resource 'profile'.",
            pointer=f"{pointer}/{name}",
        )
        for name in attributes.keys() - fields
    ]
    email = attributes.get("email")
    if email is not None and not is_email(email):
        found.append(problem("Invalid email address", pointer=f"{pointer}/email"))
    phone = attributes.get("phone_number")
    if phone is not None and (not isinstance(phone, str) or (phones and not is_phone(phone))):
        found.append(problem(PHONE_DETAIL, pointer=f"{pointer}/phone_number"))
    external = attributes.get("external_id")
    if external is not None and (
        not isinstance(external, str) or not 0 < len(external) <= MAX_EXTERNAL_ID_LENGTH
    ):
        found.append(problem("Invalid external_id.", pointer=f"{pointer}/external_id"))
    found.extend(
        problem("Not a valid string.", pointer=f"{pointer}/{name}")
        for name in attributes.keys() & TEXT_FIELDS
        if not isinstance(attributes[name], str | None)
    )
    if attributes.get("location") is not None:
        found.extend(_location_problems(attributes["location"], f"{pointer}/location"))
    if attributes.get("properties") is not None:
        found.extend(property_problems(attributes["properties"], f"{pointer}/properties"))
    return found


def _location_problems(location: object, pointer: str) -> list[JsonObject]:
    if not isinstance(location, dict):
        return [problem("An object is expected here.", pointer=pointer)]
    return [
        problem(
            f"'{name}' is not a valid field for the resource 'location'.",
            pointer=f"{pointer}/{name}",
        )
        for name in location.keys() - LOCATION_FIELDS
    ]


def property_problems(properties: object, pointer: str) -> list[JsonObject]:
    """What is wrong with custom properties: names with a leading `$` are Klaviyo's own."""
    if not isinstance(properties, dict):
        return [problem("An object is expected here.", pointer=pointer)]
    return [
        problem("Property names must not begin with '$'.", pointer=f"{pointer}/{name}")
        for name in properties
        if name.startswith("$") or not name
    ]


def identified(resource: JsonObject, attributes: JsonObject) -> bool:
    """Whether a profile can be told from another: an id, or at least one identifier."""
    if resource.get("id"):
        return True
    return any(attributes.get(name) for name in (*IDENTIFIERS, "anonymous_id"))


def meta_problems(meta: object, pointer: str) -> list[JsonObject]:
    """What is wrong with the `meta` of a profile, where properties are unset."""
    if not isinstance(meta, dict):
        return [problem("An object is expected here.", pointer=pointer)]
    found = [
        problem(f"'{name}' is not supported here.", pointer=f"{pointer}/{name}")
        for name in meta.keys() - {"patch_properties"}
    ]
    if "patch_properties" not in meta:
        return found
    patch, at = meta["patch_properties"], f"{pointer}/patch_properties"
    if not isinstance(patch, dict):
        return [*found, problem("An object is expected here.", pointer=at)]
    for name, value in patch.items():
        if name in {"append", "unappend"}:
            good = isinstance(value, dict | None)
        elif name == "unset":
            good = isinstance(value, str | None) or (
                isinstance(value, list) and all(isinstance(key, str) for key in value)
            )
        else:
            good = False
        if not good:
            found.append(problem(f"Invalid '{name}'.", pointer=f"{at}/{name}"))
    return found


def row_problems(row: object, pointer: str, *, phones: bool) -> list[JsonObject]:
    """What is wrong with one profile resource of an import."""
    if not isinstance(row, dict):
        return [problem("An object is expected here.", pointer=pointer)]
    found = []
    if row.get("type") != "profile":
        found.append(problem("'type' must be 'profile'.", pointer=f"{pointer}/type"))
    found.extend(
        problem(f"'{name}' is not allowed here.", pointer=f"{pointer}/{name}")
        for name in row.keys() - ROW_MEMBERS
    )
    attributes = row.get("attributes")
    at = f"{pointer}/attributes"
    if not isinstance(attributes, dict):
        return [*found, problem("An object is expected here.", pointer=at)]
    found.extend(profile_problems(attributes, at, fields=PROFILE_FIELDS, phones=phones))
    if not identified(row, attributes):
        found.append(
            problem(
                "One of id, email, phone_number, external_id is required.",
                pointer=at,
            ),
        )
    if "meta" in row:
        found.extend(meta_problems(row["meta"], f"{pointer}/meta"))
    return found


def is_oversized(row: JsonObject) -> bool:
    """Whether one profile is over 100 KB."""
    # No character takes more than six bytes in JSON, so a short row needs no closer look.
    if len(repr(row)) * 6 <= MAX_PROFILE_BYTES:
        return False
    encoded = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    return len(encoded.encode()) > MAX_PROFILE_BYTES


def instant(value: object) -> float | None:
    """Seconds since the epoch of an ISO 8601 time; without an offset it is UTC, None if invalid."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
