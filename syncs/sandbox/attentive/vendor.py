"""Attentive's front door: token and per-endpoint limits, then the operation."""

import re
from collections.abc import Mapping

from syncs.sandbox.attentive.attributes import Attributes, asked_user
from syncs.sandbox.attentive.events import Events
from syncs.sandbox.attentive.people import find_person
from syncs.sandbox.attentive.privacy import Privacy
from syncs.sandbox.attentive.problems import refuse
from syncs.sandbox.calls import Call, Operation, RefusedError, Reply, first_match, json_reply
from syncs.sandbox.config import Settings
from syncs.sandbox.limits import FixedWindow
from syncs.sandbox.store import Store

DEFAULT_LIMIT = 150
TEXTING = "can_text_people"
_TOKEN = re.compile(r"Bearer \S+")


class Attentive:
    """The whole stand-in; limits are per endpoint."""

    name = "attentive"

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._windows: dict[tuple[str, int], FixedWindow] = {}
        self._privacy = Privacy(store, settings)
        attributes, events = Attributes(store, settings), Events(store)
        custom = re.compile("/v1/attributes/custom")
        deletion = "/v1/privacy/delete-request"
        tripwires = re.compile(
            "/v1/subscriptions(/unsubscribe)?|/v2/user/attributes|/v2/bulk/user/attributes"
        )
        self._operations = (
            Operation("get_me", "GET", re.compile("/v1/me"), False, self._me),
            Operation("post_custom_attributes", "POST", custom, True, attributes.write),
            Operation("get_custom_attributes", "GET", custom, False, attributes.read),
            Operation(
                "post_custom_events", "POST", re.compile("/v1/events/custom"), True, events.write
            ),
            Operation(
                "get_subscriptions", "GET", re.compile("/v1/subscriptions"), False, self._eligible
            ),
            Operation(
                "post_delete_request", "POST", re.compile(deletion), True, self._privacy.request
            ),
            Operation(
                "get_delete_request",
                "GET",
                re.compile(f"{deletion}/(?P<id>[^/]+)"),
                False,
                self._privacy.show,
            ),
            Operation(TEXTING, "POST", tripwires, True, _texting),
        )

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]] | None:
        """The operation behind a path."""
        return first_match(self._operations, method, path)

    def settle(self, now: float) -> None:
        """Carries out deletion requests that are due."""
        self._privacy.settle(now)

    def forget(self) -> None:
        """Fresh windows."""
        self._windows.clear()
        self._privacy.forget()

    def answer(self, operation: Operation | None, call: Call) -> Reply:
        """Checks the call, then does it."""
        if not _TOKEN.fullmatch(call.headers.get("authorization", "")):
            raise refuse(401, "Unauthorized")
        if operation is None:
            raise refuse(404, "Not Found")
        limit = self._settings.config.attentive_limits.get(operation.name, DEFAULT_LIMIT)
        window = self._windows.setdefault((operation.name, limit), FixedWindow(limit, 1))
        if self._settings.config.limits:
            if window.remaining(call.now) == 0:
                reply = self.failure(429, "Too Many Requests")
                raise RefusedError(reply.adding(_headers(window, call.now)))
            window.count(call.now)
        try:
            reply = operation.handle(call)
        except RefusedError as refused:
            raise RefusedError(refused.reply.adding(_headers(window, call.now))) from None
        return reply.adding(_headers(window, call.now))

    def failure(self, status: int, detail: str) -> Reply:
        """An error of any status."""
        return json_reply(status, {"message": detail}, throttled=status == 429)

    def _me(self, call: Call) -> Reply:
        del call
        content = {
            "applicationName": "Customer segments",
            "attentiveDomainName": "sandbox",
            "companyName": "Sandbox",
            "contactEmail": "shop@example.com",
            "companyId": "1",
        }
        return json_reply(200, content)

    def _eligible(self, call: Call) -> Reply:
        """What a person can be sent; an unknown person can be sent nothing."""
        connection = self._store.connection
        person = find_person(connection, asked_user(call))
        row = connection.execute(
            "select subscribed_text, subscribed_email from attentive_people where id = ?",
            (person,),
        ).fetchone()
        channels = [] if row is None else [("TEXT", row[0]), ("EMAIL", row[1])]
        content = {
            "subscriptionEligibilities": [
                {
                    "subscription": {"type": "MARKETING", "channel": channel},
                    "eligibility": {"isEligible": bool(eligible)},
                }
                for channel, eligible in channels
            ],
        }
        return json_reply(200, content)


def _texting(call: Call) -> Reply:
    """Endpoints that can text people are wires to trip over: a sync has no business there."""
    del call
    return json_reply(403, {"message": "Forbidden"})


def _headers(window: FixedWindow, now: float) -> dict[str, str]:
    return {
        "x-ratelimit-limit": str(window.limit),
        "x-ratelimit-remaining": str(window.remaining(now)),
    }
