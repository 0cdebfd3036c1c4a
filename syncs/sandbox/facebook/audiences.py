"""Custom audiences: found, created, described."""

import base64
import binascii
import json
import secrets
from urllib.parse import urlencode

from syncs.sandbox.calls import Call, JsonObject, Reply, json_reply
from syncs.sandbox.config import Settings
from syncs.sandbox.facebook.parameters import truth, whole_number
from syncs.sandbox.facebook.problems import refuse
from syncs.sandbox.facebook.standing import Standings
from syncs.sandbox.store import Store

MAX_AUDIENCES = 500
DEFAULT_PAGE = 25
_SOURCES = frozenset(
    {"USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"}
)
_CREATE_PARAMETERS = frozenset(
    {
        "name", "subtype", "customer_file_source", "description", "audience_labels",
        "retention_days", "is_value_based", "enable_fetch_or_create", "opt_out_link",
    },
)  # fmt: skip
_CREDENTIALS = frozenset({"access_token", "appsecret_proof", "appsecret_time"})
_FIELDS = frozenset(
    {
        "id", "account_id", "name", "description", "subtype", "customer_file_source",
        "retention_days", "is_value_based", "operation_status", "delivery_status",
        "approximate_count_lower_bound", "approximate_count_upper_bound",
        "time_created", "time_updated", "time_content_updated", "delete_time",
        "fields_violating_integrity_policy",
    },
)  # fmt: skip
_STATUS = {
    200: "Normal",
    410: "No users have been uploaded.",
    414: "A replacement is in progress.",
    471: "The audience was flagged for policy.",
}
_PLACEHOLDER_COUNT = 1_000
_BLUR = 0.05
_COUNTS = frozenset({"approximate_count_lower_bound", "approximate_count_upper_bound"})


class Audiences:
    """The audiences of every ad account."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._standings = Standings(store.connection, settings)

    def account(self, call: Call) -> Reply:
        """Fields of an ad account, among them whether the terms were accepted."""
        names = _fields(call, frozenset({"id", "account_id", "name", "tos_accepted"}))
        accepted = int(self._settings.config.facebook_terms_accepted)
        everything: JsonObject = {
            "id": f"act_{call.params['account']}",
            "account_id": call.params["account"],
            "name": "Sandbox",
            "tos_accepted": {"custom_audience_tos": accepted} if accepted else {},
        }
        return json_reply(200, {name: everything[name] for name in names})

    def listing(self, call: Call) -> Reply:
        """An account's audiences, 25 a page unless asked otherwise; without fields, ids only."""
        parameters = call.parameters
        unknown = parameters.keys() - {"fields", "limit", "after"} - _CREDENTIALS
        if unknown:
            raise refuse(100, "(#100) Unsupported parameter")
        names = _fields(call, _FIELDS)
        limit = whole_number(parameters.get("limit", DEFAULT_PAGE))
        if not limit:
            raise refuse(100, "(#100) limit must be a positive number")
        rows = self._store.connection.execute(
            "select number, id from facebook_audiences where account = ? and number > ?"
            " order by number limit ?",
            (call.params["account"], _after(parameters.get("after")), limit + 1),
        ).fetchall()
        shown = rows[:limit]
        content: JsonObject = {"data": [self._described(call, key, names) for _, key in shown]}
        if shown:
            cursors = {"before": _cursor(shown[0][0]), "after": _cursor(shown[-1][0])}
            content["paging"] = {"cursors": cursors}
            if len(rows) > limit:
                query = {k: v for k, v in call.query.items() if k not in _CREDENTIALS}
                following = urlencode({**query, "after": cursors["after"]})
                content["paging"]["next"] = f"{call.base}{call.path}?{following}"
        return json_reply(200, content, rows=len(shown))

    def show(self, call: Call) -> Reply:
        """Fields of one audience."""
        key = call.params["audience"]
        return json_reply(200, self._described(call, key, _fields(call, _FIELDS)), target=key)

    def create(self, call: Call) -> Reply:
        """A new audience; its name need not be unique."""
        given = call.parameters
        wanted = {k: v for k, v in given.items() if k not in _CREDENTIALS}
        self._check_creation(wanted)
        account, connection = call.params["account"], self._store.connection
        if truth(wanted.pop("enable_fetch_or_create", False)):
            row = connection.execute(
                "select id from facebook_audiences where account = ? and name = ?"
                " order by number limit 1",
                (account, wanted["name"]),
            ).fetchone()
            if row is not None:
                return json_reply(200, {"id": row[0]}, target=row[0])
        (held,) = connection.execute(
            "select count(*) from facebook_audiences where account = ?", (account,)
        ).fetchone()
        if held >= MAX_AUDIENCES:
            message = "The account has reached its maximum number of custom audiences"
            raise refuse(2654, message)
        key = f"238{secrets.randbelow(10**14):014d}"
        connection.execute(
            "insert into facebook_audiences (id, account, name, fields, is_value_based, created,"
            " updated) values (?, ?, ?, ?, ?, ?, ?)",
            (
                key, account, wanted["name"], json.dumps(wanted),
                bool(truth(wanted.get("is_value_based", False))), call.now, call.now,
            ),
        )  # fmt: skip
        return json_reply(200, {"id": key}, target=key)

    def update(self, call: Call) -> Reply:
        """Renames or redescribes an audience."""
        given = call.parameters
        wanted = {k: v for k, v in given.items() if k not in _CREDENTIALS}
        if not wanted or not wanted.keys() <= {"name", "description", "opt_out_link"}:
            raise refuse(100, "(#100) Unsupported parameter")
        if not all(isinstance(value, str) for value in wanted.values()) or wanted.get("name") == "":
            raise refuse(100, "(#100) Invalid parameter")
        key, connection = call.params["audience"], self._store.connection
        self._described(call, key, ("id",))
        connection.execute(
            "update facebook_audiences set fields = json_patch(fields, ?),"
            " name = coalesce(?, name), updated = ? where id = ?",
            (json.dumps(wanted), wanted.get("name"), call.now, key),
        )
        return json_reply(200, {"success": True}, target=key)

    def _check_creation(self, wanted: JsonObject) -> None:
        unknown = wanted.keys() - _CREATE_PARAMETERS
        if unknown:
            raise refuse(100, "(#100) Unsupported parameter")
        if not isinstance(wanted.get("name"), str) or not wanted["name"]:
            raise refuse(100, "(#100) Missing parameter(s): name")
        if wanted.get("subtype") != "CUSTOM":
            raise refuse(100, "(#100) subtype must be CUSTOM")
        if "customer_file_source" not in wanted:
            raise refuse(100, "(#100) Missing parameter(s): customer_file_source")
        if wanted["customer_file_source"] not in _SOURCES:
            raise refuse(100, "(#100) Invalid customer_file_source")
        days = whole_number(wanted.get("retention_days", 180))
        if days is None or not 1 <= days <= 180:
            raise refuse(100, "(#100) retention_days must be from 1 to 180")
        if not self._settings.config.facebook_terms_accepted:
            message = "The custom audience terms have not been accepted"
            raise refuse(200, message, subcode=1870090, status=403)

    def _described(self, call: Call, key: str, names: tuple[str, ...]) -> JsonObject:
        row = self._store.connection.execute(
            "select account, fields, created, updated from facebook_audiences where id = ?",
            (key,),
        ).fetchone()
        if row is None:
            raise refuse(100, "Unsupported get request. Object does not exist", subcode=33)
        account, fields, created, updated = row
        code = self._standings.code(key, call.now)
        status = {"code": code, "description": _STATUS.get(code, "")}
        lowest, highest = self._blurred(key) if _COUNTS.intersection(names) else (0, 0)
        everything: JsonObject = {
            **json.loads(fields),
            "id": key,
            "account_id": account,
            "operation_status": status,
            "delivery_status": {"code": 200, "description": "Ready"},
            "approximate_count_lower_bound": lowest,
            "approximate_count_upper_bound": highest,
            "time_created": int(created),
            "time_updated": int(updated),
            "time_content_updated": int(updated),
        }
        return {name: everything[name] for name in ("id", *names) if name in everything}

    def _blurred(self, key: str) -> tuple[int, int]:
        """Bounds of an audience's size: rounded, and while it is small a placeholder."""
        (held,) = self._store.connection.execute(
            "select count(*) from facebook_members where audience_id = ?", (key,)
        ).fetchone()
        if held < _PLACEHOLDER_COUNT:
            return _PLACEHOLDER_COUNT, _PLACEHOLDER_COUNT
        return int(round(held * (1 - _BLUR), -2)), int(round(held * (1 + _BLUR), -2))


def _fields(call: Call, allowed: frozenset[str]) -> tuple[str, ...]:
    names = tuple(name for name in call.query.get("fields", "id").split(",") if name)
    unknown = [name for name in names if name not in allowed]
    if unknown:
        raise refuse(100, f"(#100) Tried accessing nonexisting field ({unknown[0]})")
    return names


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def _after(cursor: object) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(str(cursor)))
    except (binascii.Error, ValueError):
        raise refuse(100, "(#100) Invalid cursors values") from None
