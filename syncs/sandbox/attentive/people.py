"""Attentive's people: the strict user object, and who it means."""

import re
import sqlite3
from dataclasses import dataclass

from syncs.sandbox.attentive.problems import refuse

_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
MAX_ID_LENGTH = 100


@dataclass(frozen=True, slots=True)
class User:
    """A valid user object; what was not given is None."""

    phone: str | None
    email: str | None
    client_user_id: str | None
    custom_ids: tuple[tuple[str, str], ...]


def is_phone(value: object) -> bool:
    """Whether the value is a phone number in E.164 form."""
    return isinstance(value, str) and _PHONE.fullmatch(value) is not None


def is_email(value: object) -> bool:
    """Whether the value looks like an e-mail address."""
    return isinstance(value, str) and _EMAIL.fullmatch(value) is not None


def read_user(value: object) -> User:
    """The user object of attributes and events.

    Raises:
        RefusedError: A field it does not have, no identifier, or a malformed one.
    """
    user = _object(value, "user", frozenset({"phone", "email", "externalIdentifiers"}))
    external = user.get("externalIdentifiers")
    ids: dict[str, object] = {}
    if "externalIdentifiers" in user:
        ids = _object(
            external, "externalIdentifiers", frozenset({"clientUserId", "customIdentifiers"})
        )
    if "phone" in user and not is_phone(user["phone"]):
        raise refuse(400, f"Invalid phone: {user['phone']}")
    if "email" in user and not is_email(user["email"]):
        raise refuse(400, f"Invalid email: {user['email']}")
    if "clientUserId" in ids and not _is_id(ids["clientUserId"]):
        raise refuse(400, f"Invalid clientUserId: {ids['clientUserId']}")
    custom = _custom_ids(ids.get("customIdentifiers", []))
    read = User(
        phone=_text(user.get("phone")),
        email=_text(user.get("email")),
        client_user_id=_text(ids.get("clientUserId")),
        custom_ids=custom,
    )
    if not (read.phone or read.email or read.client_user_id or read.custom_ids):
        raise refuse(400, "At least one identifier is required")
    return read


def _object(value: object, name: str, allowed: frozenset[str]) -> dict[str, object]:
    if not isinstance(value, dict) or not value:
        raise refuse(400, f"{name} must be a non-empty object")
    unknown = value.keys() - allowed
    if unknown:
        raise refuse(400, f"Unrecognized field in {name}: {', '.join(sorted(unknown))}")
    return value


def _custom_ids(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise refuse(400, "customIdentifiers must be an array")
    found = []
    for item in value:
        if not isinstance(item, dict) or item.keys() != {"name", "value"}:
            raise refuse(400, "A custom identifier has a name and a value")
        if not _is_id(item["name"]) or not _is_id(item["value"]):
            raise refuse(400, "Invalid custom identifier")
        found.append((item["name"], item["value"]))
    return tuple(found)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def find_person(connection: sqlite3.Connection, user: User) -> int | None:
    """The person a user object means: by phone, else e-mail, else an external id."""
    lookups = (
        ("phone", user.phone),
        ("email", user.email.lower() if user.email else None),
        ("client_user_id", user.client_user_id),
    )
    for column, value in lookups:
        if value is None:
            continue
        row = connection.execute(
            f"select id from attentive_people where {column} = ?", (value,)
        ).fetchone()
        if row is not None:
            return int(row[0])
    for pair in user.custom_ids:
        row = connection.execute(
            "select person from attentive_custom_ids where name = ? and value = ?", pair
        ).fetchone()
        if row is not None:
            return int(row[0])
    return None


def know_person(connection: sqlite3.Connection, user: User) -> int:
    """The person, created as a visitor without any subscription if new, with new ids tied.

    Raises:
        RefusedError: Only external ids were given and nobody is known by them.
    """
    person = find_person(connection, user)
    if person is None:
        if not (user.phone or user.email):
            raise refuse(400, "The external identifier is not tied to a phone or an email")
        person = connection.execute("insert into attentive_people default values").lastrowid
    for column, value in (
        ("phone", user.phone),
        ("email", user.email.lower() if user.email else None),
        ("client_user_id", user.client_user_id),
    ):
        if value is not None:
            # An identifier that belongs to somebody else stays theirs.
            connection.execute(
                f"update or ignore attentive_people set {column} = ?"
                f" where id = ? and {column} is null",
                (value, person),
            )
    connection.executemany(
        "insert or ignore into attentive_custom_ids (name, value, person) values (?, ?, ?)",
        [(*pair, person) for pair in user.custom_ids],
    )
    return int(person or 0)
