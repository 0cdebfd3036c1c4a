"""Klaviyo's single-profile calls: look up, create, update, delete."""

import json
import math
import re

from syncs.sandbox.calls import Call, JsonObject, Operation, Reply
from syncs.sandbox.config import Settings
from syncs.sandbox.klaviyo import queries
from syncs.sandbox.klaviyo.bodies import read_data, read_document
from syncs.sandbox.klaviyo.checks import as_object, is_email, is_oversized, is_phone, row_problems
from syncs.sandbox.klaviyo.problems import document, missing, problem, refuse
from syncs.sandbox.klaviyo.profiles import (
    COLUMNS,
    IdentityConflictError,
    Profile,
    Roster,
    UnknownProfileError,
)
from syncs.sandbox.store import Store

_LOOKUP = frozenset({"any", "equals"})
_LOOKUP_COLUMNS = {
    "id": "id",
    "email": "email_key",
    "phone_number": "phone",
    "external_id": "external_id",
}
_NO_PROFILE = "A profile with this id does not exist."
_DELETED = "The profile does not exist; it may have already been deleted."
_SORTS = frozenset({"id", "email", "created", "updated"})


class People:
    """Profiles, one at a time."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        # Unknown after a start, so the first call looks.
        self._next_due = 0.0

    def operations(self) -> tuple[Operation, ...]:
        """The endpoints of single profiles."""
        profiles = re.compile("/api/profiles/?")
        one = re.compile("/api/profiles/(?P<id>[^/]+)/?")
        imports = re.compile("/api/profile-import/?")
        deletion = re.compile("/api/data-privacy-deletion-jobs/?")
        return (
            Operation("get_profiles", "GET", profiles, False, self.listing),
            Operation("create_profile", "POST", profiles, True, self.create),
            Operation("update_profile", "PATCH", one, True, self.update),
            Operation("create_or_update_profile", "POST", imports, True, self.upsert),
            Operation("request_profile_deletion", "POST", deletion, True, self.delete),
        )

    def listing(self, call: Call) -> Reply:
        """The profiles a filter finds; addresses match in any case and come back as stored."""
        queries.check_parameters(
            call,
            frozenset({"filter", "fields[profile]", "page[size]", "page[cursor]", "sort"}),
        )
        wanted = queries.parse_filter(call, dict.fromkeys(_LOOKUP_COLUMNS, _LOOKUP))
        size, offset = queries.page_size(call, 20, 100), queries.page_offset(call)
        where, values = "true", []
        if wanted is not None:
            where = f"{_LOOKUP_COLUMNS[wanted.field]} in (select value from json_each(?))"
            lowered = wanted.field == "email"
            values = [json.dumps([v.lower() if lowered else v for v in wanted.values])]
        sort = call.query.get("sort", "id")
        if sort.lstrip("-") not in _SORTS:
            raise refuse([problem("Invalid sort.", parameter="sort")])
        order = sort.lstrip("-") + (" desc" if sort.startswith("-") else "") + ", id"
        connection = self._store.connection
        (total,) = connection.execute(
            f"select count(*) from klaviyo_profiles where {where}", values
        ).fetchone()
        rows = connection.execute(
            f"select {COLUMNS} from klaviyo_profiles where {where}"
            f" order by {order} limit ? offset ?",
            (*values, size, offset),
        ).fetchall()
        sparse = call.query.get("fields[profile]")
        fields = None if sparse is None else frozenset(sparse.split(","))
        data = [Profile.of_row(row).resource(call.base, fields) for row in rows]
        links = queries.page_links(call, offset, len(data), total)
        return document(200, {"data": data, "links": links}, rows=len(data))

    def create(self, call: Call) -> Reply:
        """A new profile; 409 if one of its identifiers is taken."""
        row = _checked_row(call)
        roster = Roster(self._store.connection, [row], call.now)
        profile, created = _upserted(roster, row)
        if not created:
            raise _duplicate(profile.id)
        roster.save()
        return document(201, {"data": profile.resource(call.base)}, rows=1)

    def upsert(self, call: Call) -> Reply:
        """Creates (201) or updates (200); null clears, what is omitted stays."""
        row = _checked_row(call)
        roster = Roster(self._store.connection, [row], call.now)
        profile, created = _upserted(roster, row)
        roster.save()
        content = {"data": profile.resource(call.base)}
        return document(201 if created else 200, content, rows=1)

    def update(self, call: Call) -> Reply:
        """Changes an existing profile: the only write that can never create one."""
        data = read_data(call, "profile")
        if data.get("id") != call.params["id"]:
            raise refuse([problem("The id must be that of the path.", pointer="/data/id")])
        row = _checked_row(call)
        connection = self._store.connection
        known = connection.execute(
            "select 1 from klaviyo_profiles where id = ?", (call.params["id"],)
        ).fetchone()
        if known is None:
            raise missing(_NO_PROFILE)
        roster = Roster(connection, [row], call.now)
        profile, _ = _upserted(roster, row)
        roster.save()
        return document(200, {"data": profile.resource(call.base)}, rows=1)

    def delete(self, call: Call) -> Reply:
        """Takes the deletion of a person and their events; 404 when there is nobody to forget."""
        attributes = read_document(call, "data-privacy-deletion-job")
        column, value = _deletion_target(attributes)
        connection = self._store.connection
        row = connection.execute(
            f"select id from klaviyo_profiles where {column} = ?", (value,)
        ).fetchone()
        if row is None:
            raise missing(_DELETED)
        finishes = call.now + self._settings.config.klaviyo_delete_seconds
        connection.execute(
            "insert or ignore into klaviyo_deletions (profile_id, finishes) values (?, ?)",
            (row[0], finishes),
        )
        self._next_due = min(self._next_due, finishes)
        return Reply(202, rows=1)

    def forget(self) -> None:
        """Looks for due deletions at the next call."""
        self._next_due = 0.0

    def settle(self, now: float) -> None:
        """Carries out the deletions that are due."""
        if now < self._next_due:
            return
        due = "(select profile_id from klaviyo_deletions where finishes <= ?)"
        with self._store.transaction() as connection:
            connection.execute(f"delete from klaviyo_events where profile_id in {due}", (now,))
            connection.execute(f"delete from klaviyo_profiles where id in {due}", (now,))
            connection.execute("delete from klaviyo_deletions where finishes <= ?", (now,))
            (following,) = connection.execute(
                "select min(finishes) from klaviyo_deletions"
            ).fetchone()
        self._next_due = math.inf if following is None else following


def _checked_row(call: Call) -> JsonObject:
    row = read_data(call, "profile")
    problems = row_problems(row, "/data", phones=True)
    if not problems and is_oversized(row):
        problems = [problem("The profile is larger than 100 KB.", pointer="/data")]
    if problems:
        raise refuse(problems)
    return row


def _upserted(roster: Roster, row: JsonObject) -> tuple[Profile, bool]:
    try:
        return roster.upsert(row, nulls_clear=True)
    except IdentityConflictError as conflict:
        raise _duplicate(conflict.other) from None
    except UnknownProfileError:
        raise missing(_NO_PROFILE) from None


def _duplicate(profile_id: str) -> Exception:
    return refuse(
        [
            problem(
                "A profile already exists with one of these identifiers.",
                pointer="/data/attributes",
                status=409,
                code="duplicate_profile",
                title="Conflict.",
                meta={"duplicate_profile_id": profile_id},
            ),
        ],
    )


def _deletion_target(attributes: JsonObject) -> tuple[str, str]:
    pointer = "/data/attributes/profile/data"
    holder = as_object(attributes.get("profile"), "/data/attributes/profile")
    data = as_object(None if isinstance(holder, list) else holder.get("data"), pointer)
    if isinstance(data, list):
        raise refuse(data)
    given = {**(data.get("attributes") or {})}
    if data.get("id"):
        given["id"] = data["id"]
    checks = {"id": lambda v: isinstance(v, str), "email": is_email, "phone_number": is_phone}
    if data.get("type") != "profile" or len(given) != 1 or not given.keys() <= checks.keys():
        detail = "Exactly one of id, email, phone_number is required."
        raise refuse([problem(detail, pointer=pointer)])
    ((name, value),) = given.items()
    if not checks[name](value):
        raise refuse([problem("Invalid identifier.", pointer=f"{pointer}/attributes/{name}")])
    return _LOOKUP_COLUMNS[name], value.lower() if name == "email" else value
