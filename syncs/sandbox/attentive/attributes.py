"""Attentive's custom attributes: one person a call, the first value of a name fixes its type."""

import json
import math
import re
import sqlite3
from datetime import date, datetime

from syncs.sandbox.attentive.people import (
    User,
    find_person,
    is_email,
    is_phone,
    know_person,
    read_user,
)
from syncs.sandbox.attentive.problems import read_body, refuse
from syncs.sandbox.calls import Call, Reply, json_reply
from syncs.sandbox.config import Settings
from syncs.sandbox.store import Store

MAX_NAME_LENGTH = 200
FORBIDDEN_IN_NAMES = re.compile(r"[\"'(){}\[\]\\|,\x00-\x1f]")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class Attributes:
    """The account's custom attributes."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def write(self, call: Call) -> Reply:
        """Sets attributes of one person; either all of them or none."""
        members = frozenset({"user", "properties"})
        body = read_body(call, members, members)
        user = read_user(body["user"])
        properties = body["properties"]
        if not isinstance(properties, dict):
            raise refuse(400, "properties must be an object")
        connection = self._store.connection
        types = self._types(connection, properties)
        person = know_person(connection, user)
        connection.executemany(
            "insert or ignore into attentive_attribute_types (name, type) values (?, ?)",
            types.items(),
        )
        connection.executemany(
            "insert or replace into attentive_attributes (person, name, value) values (?, ?, ?)",
            [(person, name, json.dumps(value)) for name, value in properties.items()],
        )
        return Reply(200, rows=1)

    def read(self, call: Call) -> Reply:
        """The attributes of the person with this phone or this e-mail, not both."""
        user = asked_user(call)
        connection = self._store.connection
        person = find_person(connection, user)
        rows = connection.execute(
            "select name, value from attentive_attributes where person = ? order by name",
            (person,),
        )
        found = [{"name": name, "value": json.loads(value)} for name, value in rows.fetchall()]
        return json_reply(200, found, rows=len(found))

    def _types(
        self, connection: sqlite3.Connection, properties: dict[str, object]
    ) -> dict[str, str]:
        types = {}
        for name, value in properties.items():
            if not 0 < len(name) <= MAX_NAME_LENGTH or FORBIDDEN_IN_NAMES.search(name):
                raise refuse(400, f"Invalid attribute name: {name}")
            row = connection.execute(
                "select type from attentive_attribute_types where name = ?", (name,)
            ).fetchone()
            locked = row[0] if row else None
            if not _is_scalar(value) or not fits_type(value, locked):
                raise refuse(400, f"Invalid value for attribute {name}: {value}")
            types[name] = locked or inferred_type(value)
        (known,) = connection.execute(
            "select count(*) from attentive_attribute_types"
            " where name not in (select value from json_each(?))",
            (json.dumps(list(types)),),
        ).fetchone()
        if known + len(types) > self._settings.config.attentive_max_attributes:
            raise refuse(400, "The maximum number of custom attributes is exceeded")
        return types


def asked_user(call: Call) -> User:
    """The person a look-up asks for.

    Raises:
        RefusedError: Not exactly one of phone and email, or a malformed one.
    """
    phone, email = call.query.get("phone"), call.query.get("email")
    if (phone is None) == (email is None) or len(call.query) != 1:
        raise refuse(400, "Exactly one of phone and email is required")
    if phone is not None and not is_phone(phone):
        raise refuse(400, f"Invalid phone: {phone}")
    if email is not None and not is_email(email):
        raise refuse(400, f"Invalid email: {email}")
    return User(phone, email, None, ())


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return value != ""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, bool | int)


def inferred_type(value: object) -> str:
    """The type Attentive reads into a first value; the string "24" makes a number."""
    if isinstance(value, bool) or str(value).lower() in {"true", "false"}:
        return "boolean"
    if isinstance(value, int | float) or _NUMBER.fullmatch(str(value)):
        return "number"
    return "date" if _is_date(str(value)) else "string"


def fits_type(value: object, locked: str | None) -> bool:
    """Whether a value suits the type an attribute got from its first value; None is free."""
    if locked is None:
        return True
    if locked == "string":
        return isinstance(value, str)
    return inferred_type(value) == locked


def _is_date(text: str) -> bool:
    for parse in (date.fromisoformat, datetime.fromisoformat):
        try:
            parse(text)
        except ValueError:
            continue
        return True
    return False
