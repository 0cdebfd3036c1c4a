"""What staff do in the vendors' own screens, behind the back of every sync."""

import json
import math
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncs.sandbox.attentive.people import User, find_person, know_person
from syncs.sandbox.gate import parse_object
from syncs.sandbox.store import Store

_IN = "in (select lower(value) from json_each(?))"


class ByHand:
    """The control calls that change what a vendor holds; each answers how much it `changed`.

    Args:
        store: What the vendors hold.
        clock: Seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> list[Route]:
        """Their addresses."""
        return [
            Route(path, _answered(handle), methods=["POST"])
            for path, handle in (
                ("/klaviyo/profiles/delete", self.delete_profiles),
                ("/klaviyo/profiles/set", self.set_properties),
                ("/attentive/people/delete", self.delete_people),
                ("/attentive/people/set", self.set_attributes),
                ("/facebook/members/delete", self.delete_members),
                ("/facebook/audiences/delete", self.delete_audience),
                ("/facebook/audiences/rename", self.rename_audience),
                ("/facebook/audiences/status", self.force_status),
            )
        ]

    def delete_profiles(self, body: dict[str, Any]) -> int:
        """Klaviyo profiles: `{"emails": […]}`."""
        emails = json.dumps(body["emails"])
        with self._store.transaction() as connection:
            connection.execute(
                "delete from klaviyo_events where profile_id in"
                f" (select id from klaviyo_profiles where email_key {_IN})",
                (emails,),
            )
            return connection.execute(
                f"delete from klaviyo_profiles where email_key {_IN}", (emails,)
            ).rowcount

    def set_properties(self, body: dict[str, Any]) -> int:
        """Klaviyo properties, null removes: `{"emails": […], "properties": {…}}`."""
        with self._store.transaction() as connection:
            return connection.execute(
                "update klaviyo_profiles set properties = json_patch(properties, ?), updated = ?"
                f" where email_key {_IN}",
                (json.dumps(body["properties"]), self._clock(), json.dumps(body["emails"])),
            ).rowcount

    def delete_people(self, body: dict[str, Any]) -> int:
        """Attentive people with all they have: `{"phones": […], "emails": […]}`."""
        with self._store.transaction() as connection:
            known = (find_person(connection, user) for user in _users(body))
            people = [(person,) for person in known if person is not None]
            for table, column in (
                ("attentive_attributes", "person"),
                ("attentive_events", "person"),
                ("attentive_custom_ids", "person"),
                ("attentive_people", "id"),
            ):
                connection.executemany(f"delete from {table} where {column} = ?", people)
        return len(people)

    def set_attributes(self, body: dict[str, Any]) -> int:
        """Attentive attributes, null removes: `{"phones": […], "emails": […], "properties": …}`."""
        with self._store.transaction() as connection:
            people = [know_person(connection, user) for user in _users(body)]
            for name, value in body["properties"].items():
                connection.executemany(
                    "delete from attentive_attributes where person = ? and name = ?",
                    [(person, name) for person in people],
                )
                if value is not None:
                    connection.executemany(
                        "insert into attentive_attributes (person, name, value) values (?, ?, ?)",
                        [(person, name, json.dumps(value)) for person in people],
                    )
        return len(people)

    def delete_members(self, body: dict[str, Any]) -> int:
        """Members of a Facebook audience: `{"audience_id": …}` with `cells` or a `count`."""
        if "cells" in body:
            cells = json.dumps(body["cells"])
            columns = ("email", "phone", "extern_id", "madid")
            listed = "in (select value from json_each(:which))"
            which = f"and ({' or '.join(f'{column} {listed}' for column in columns)})"
        else:
            cells, which = body["count"], "order by key limit :which"
        with self._store.transaction() as connection:
            return connection.execute(
                "delete from facebook_members where audience_id = :audience and key in"
                f" (select key from facebook_members where audience_id = :audience {which})",
                {"audience": str(body["audience_id"]), "which": cells},
            ).rowcount

    def delete_audience(self, body: dict[str, Any]) -> int:
        """A Facebook audience with its members: `{"audience_id": …}`."""
        key = (str(body["audience_id"]),)
        with self._store.transaction() as connection:
            connection.execute("delete from facebook_members where audience_id = ?", key)
            return connection.execute("delete from facebook_audiences where id = ?", key).rowcount

    def rename_audience(self, body: dict[str, Any]) -> int:
        """The name of a Facebook audience: `{"audience_id": …, "name": …}`."""
        with self._store.transaction() as connection:
            return connection.execute(
                "update facebook_audiences set name = ?1,"
                " fields = json_set(fields, '$.name', ?1) where id = ?2",
                (body["name"], str(body["audience_id"])),
            ).rowcount

    def force_status(self, body: dict[str, Any]) -> int:
        """The operation status of an audience: `{"audience_id": …, "code": …, "seconds": …}`.

        Without `seconds` it lasts for ever; a `code` of null ends it.
        """
        key, code = str(body["audience_id"]), body.get("code")
        seconds = body.get("seconds")
        until = math.inf if seconds is None else self._clock() + seconds
        with self._store.transaction() as connection:
            connection.execute("delete from facebook_forced_status where audience_id = ?", (key,))
            if code is None:
                return 0
            return connection.execute(
                "insert into facebook_forced_status (audience_id, code, until) values (?, ?, ?)",
                (key, code, until),
            ).rowcount


def _answered(handle: Callable[[dict[str, Any]], int]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            changed = handle(parse_object(await request.body()))
        except (KeyError, TypeError, ValueError) as wrong:
            return JSONResponse({"error": f"{type(wrong).__name__}: see the call's own words"}, 400)
        return JSONResponse({"changed": changed})

    return answer


def _users(body: dict[str, Any]) -> list[User]:
    return [
        *(User(phone, None, None, ()) for phone in body.get("phones", [])),
        *(User(None, email, None, ()) for email in body.get("emails", [])),
    ]
