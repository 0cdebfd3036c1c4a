"""Klaviyo's profiles: who is who, merging of what is sent into what is held, reading back."""

import json
import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from syncs.sandbox.calls import JsonObject
from syncs.sandbox.klaviyo.checks import LOCATION_FIELDS, TEXT_FIELDS, is_phone
from syncs.sandbox.klaviyo.problems import timestamp

COLUMNS = "id, email, phone, external_id, fields, properties, created, updated, last_event"
_UPSERT = """
insert into klaviyo_profiles (email, email_key, phone, external_id, fields, properties, created,
                              updated, last_event, id)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (id) do update set
    email = excluded.email, email_key = excluded.email_key, phone = excluded.phone,
    external_id = excluded.external_id, fields = excluded.fields,
    properties = excluded.properties, updated = excluded.updated,
    last_event = excluded.last_event
"""
# Most writes change no identifier, and then the indexes need not be touched.
_UPDATE = """
update klaviyo_profiles set fields = ?, properties = ?, updated = ?, last_event = ? where id = ?
"""


@dataclass(slots=True)
class Profile:
    """One profile; `fields` are the named attributes, `properties` the custom ones."""

    id: str
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    fields: JsonObject = field(default_factory=dict)
    properties: JsonObject = field(default_factory=dict)
    created: float = 0.0
    updated: float = 0.0
    last_event: float | None = None

    @classmethod
    def of_row(cls, row: tuple[str, ...]) -> Self:
        """A profile from a row of `COLUMNS`."""
        key, email, phone, external, fields, properties, created, updated, last_event = row
        return cls(
            key, email, phone, external, json.loads(fields), json.loads(properties),
            float(created), float(updated), None if last_event is None else float(last_event),
        )  # fmt: skip

    def resource(self, base: str, wanted: frozenset[str] | None = None) -> JsonObject:
        """The profile as the API shows it, with all attributes or only the wanted ones."""
        location = self.fields.get("location", {})
        attributes: JsonObject = {
            "email": self.email,
            "phone_number": self.phone,
            "external_id": self.external_id,
            "anonymous_id": None,
            "whatsapp_bsuid": None,
            **{name: self.fields.get(name) for name in sorted(TEXT_FIELDS)},
            "created": timestamp(self.created),
            "updated": timestamp(self.updated),
            "last_event_date": None if self.last_event is None else timestamp(self.last_event),
            "location": {name: location.get(name) for name in sorted(LOCATION_FIELDS)},
            "properties": self.properties,
        }
        if wanted is not None:
            attributes = {name: value for name, value in attributes.items() if name in wanted}
        own = f"{base}/api/profiles/{self.id}/"
        return {
            "type": "profile",
            "id": self.id,
            "attributes": attributes,
            "relationships": {"lists": {"links": {"related": f"{own}lists/"}}},
            "links": {"self": own},
        }


class IdentityConflictError(Exception):
    """Two identifiers of one row belong to two profiles.

    Attributes:
        other: Id of one of them.
    """

    def __init__(self, other: str) -> None:
        super().__init__("a profile with one of these identifiers already exists")
        self.other = other


class UnknownProfileError(Exception):
    """A row names nobody: only an id that does not exist, or only a phone that was dropped."""


class Roster:
    """The profiles that a set of rows is about, read at once, changed in memory, written at once.

    Args:
        connection: Inside a transaction.
        rows: Profile resources as sent.
        now: Seconds since the epoch.
    """

    def __init__(self, connection: sqlite3.Connection, rows: list[JsonObject], now: float) -> None:
        self._connection = connection
        self._now = now
        self._by_id: dict[str, Profile] = {}
        self._by_email: dict[str, Profile] = {}
        self._by_phone: dict[str, Profile] = {}
        self._by_external: dict[str, Profile] = {}
        self._touched: dict[str, Profile] = {}
        self._loaded: dict[str, tuple[str | None, ...]] = {}
        attributes = [row["attributes"] for row in rows]
        self._load("id", (row.get("id") for row in rows))
        self._load("email_key", (_key(a.get("email")) for a in attributes))
        self._load("phone", (a.get("phone_number") for a in attributes))
        self._load("external_id", (a.get("external_id") for a in attributes))

    def _load(self, column: str, values: Iterable[object]) -> None:
        wanted = json.dumps([value for value in values if value])
        found = self._connection.execute(
            f"select {COLUMNS} from klaviyo_profiles"
            f" where {column} in (select value from json_each(?))",
            (wanted,),
        )
        for row in found.fetchall():
            if row[0] not in self._by_id:
                self._loaded[row[0]] = row[1:4]
                self._index(Profile.of_row(row))

    def _index(self, profile: Profile) -> None:
        self._by_id[profile.id] = profile
        if profile.email is not None:
            self._by_email[profile.email.lower()] = profile
        if profile.phone is not None:
            self._by_phone[profile.phone] = profile
        if profile.external_id is not None:
            self._by_external[profile.external_id] = profile

    def upsert(self, row: JsonObject, *, nulls_clear: bool) -> tuple[Profile, bool]:
        """Merges one row into the profile it names, or into a new one.

        Args:
            row: A profile resource.
            nulls_clear: Whether null empties a field (single calls) or is ignored (bulk).

        Returns:
            The profile and whether it is new.

        Raises:
            IdentityConflictError: The row's identifiers belong to two profiles.
            UnknownProfileError: The row names nobody.
        """
        attributes = row["attributes"]
        phone = attributes.get("phone_number") if is_phone(attributes.get("phone_number")) else None
        email, external = attributes.get("email"), attributes.get("external_id")
        found = {
            profile.id: profile
            for profile in (
                self._by_id.get(row.get("id") or ""),
                self._by_external.get(external or ""),
                self._by_email.get(_key(email) or ""),
                self._by_phone.get(phone or ""),
            )
            if profile is not None
        }
        if len(found) > 1:
            raise IdentityConflictError(list(found)[-1])
        created = not found
        if created and not (email or phone or external or attributes.get("_kx")):
            raise UnknownProfileError
        # An unknown id beside an e-mail is a profile that was deleted meanwhile: it comes back.
        profile = next(
            iter(found.values()), Profile(row.get("id") or new_profile_id(), created=self._now)
        )
        self._forget_keys(profile)
        _merge(profile, attributes, phone, nulls_clear=nulls_clear)
        _patch(profile, row.get("meta") or {})
        profile.updated = self._now
        self._index(profile)
        self._touched[profile.id] = profile
        return profile, created

    def _forget_keys(self, profile: Profile) -> None:
        self._by_email.pop(_key(profile.email) or "", None)
        self._by_phone.pop(profile.phone or "", None)
        self._by_external.pop(profile.external_id or "", None)

    def save(self) -> None:
        """Writes every changed profile."""
        moved, same = [], []
        for p in self._touched.values():
            content = (json.dumps(p.fields), json.dumps(p.properties))
            if self._loaded.get(p.id) == (p.email, p.phone, p.external_id):
                same.append((*content, p.updated, p.last_event, p.id))
            else:
                keys = (p.email, _key(p.email), p.phone, p.external_id)
                moved.append((*keys, *content, p.created, p.updated, p.last_event, p.id))
        self._connection.executemany(_UPSERT, moved)
        self._connection.executemany(_UPDATE, same)


def new_profile_id() -> str:
    """An id of the length and alphabet of Klaviyo's newer ones."""
    # Beginning with the time keeps new profiles together in the file.
    return f"01{time.time_ns() // 1_000_000:011X}{secrets.token_hex(7)[:13].upper()}"


def _key(email: object) -> str | None:
    return email.lower() if isinstance(email, str) else None


def _merge(profile: Profile, sent: JsonObject, phone: str | None, *, nulls_clear: bool) -> None:
    if sent.get("email") or (nulls_clear and "email" in sent):
        profile.email = sent["email"]
    if phone or (nulls_clear and "phone_number" in sent):
        profile.phone = phone
    if sent.get("external_id") or (nulls_clear and "external_id" in sent):
        profile.external_id = sent["external_id"]
    for name in sent.keys() & (TEXT_FIELDS | {"location"}):
        value = sent[name]
        if isinstance(value, dict):
            _put(profile.fields.setdefault(name, {}), value, nulls_clear=nulls_clear)
        else:
            _put(profile.fields, {name: value}, nulls_clear=nulls_clear)
    _put(profile.properties, sent.get("properties") or {}, nulls_clear=nulls_clear)


def _put(held: JsonObject, sent: JsonObject, *, nulls_clear: bool) -> None:
    for name, value in sent.items():
        if value is not None:
            held[name] = value
        elif nulls_clear:
            held.pop(name, None)


def _patch(profile: Profile, meta: JsonObject) -> None:
    patch = meta.get("patch_properties") or {}
    for name, values in (patch.get("append") or {}).items():
        held = _as_list(profile.properties.get(name))
        profile.properties[name] = held + [v for v in _as_list(values) if v not in held]
    for name, values in (patch.get("unappend") or {}).items():
        gone = _as_list(values)
        kept = [v for v in _as_list(profile.properties.get(name)) if v not in gone]
        profile.properties[name] = kept
    for name in map(str, _as_list(patch.get("unset"))):
        profile.properties.pop(name, None)


def _as_list(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
