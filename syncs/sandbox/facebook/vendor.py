"""Facebook's front door: version, token, proof and the account's score, then the operation."""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace

from syncs.sandbox.calls import Call, Operation, RefusedError, Reply, first_match
from syncs.sandbox.config import Settings
from syncs.sandbox.facebook.audiences import Audiences
from syncs.sandbox.facebook.members import Members
from syncs.sandbox.facebook.parameters import read_parameters
from syncs.sandbox.facebook.problems import error, refuse
from syncs.sandbox.facebook.sessions import Sessions
from syncs.sandbox.limits import FixedWindow, Score
from syncs.sandbox.store import Store

VERSIONS = frozenset({"v25.0", "v26.0"})
READ_POINTS = 1
WRITE_POINTS = 3
# Score ceiling, seconds of a block, and calls an hour, by access tier (Marketing API: rate
# limiting). The headers still use the names the tiers had before they were renamed.
_TIERS = {"standard_access": (9_000, 60, 190_000), "development_access": (60, 300, 5_000)}
_CODES = {400: 100, 401: 190, 403: 200, 404: 803, 429: 80003}


class Facebook:
    """The whole stand-in; limits are per ad account."""

    name = "facebook"

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._scores: dict[str, Score] = {}
        self._hours: dict[tuple[str, int], FixedWindow] = {}
        sessions = Sessions(store)
        audiences, members = Audiences(store, settings), Members(store, settings, sessions)
        account, audience = r"/v[\d.]+/act_(?P<account>\d+)", r"/v[\d.]+/(?P<audience>\d+)"
        self._operations = tuple(
            Operation(name, method, re.compile(path), method != "GET", handle)
            for name, method, path, handle in (
                ("get_ad_account", "GET", account, audiences.account),
                ("get_custom_audiences", "GET", f"{account}/customaudiences", audiences.listing),
                ("create_custom_audience", "POST", f"{account}/customaudiences", audiences.create),
                (
                    "delete_users_of_any_audience",
                    "DELETE",
                    f"{account}/usersofanyaudience",
                    members.remove_everywhere,
                ),
                ("get_custom_audience", "GET", audience, audiences.show),
                ("update_custom_audience", "POST", audience, audiences.update),
                ("add_users", "POST", f"{audience}/users", members.add_or_method),
                ("remove_users", "DELETE", f"{audience}/users", members.remove),
                ("replace_users", "POST", f"{audience}/usersreplace", members.replace),
                ("get_sessions", "GET", f"{audience}/sessions", sessions.listing),
            )
        )

    def find(self, method: str, path: str) -> tuple[Operation, Mapping[str, str]] | None:
        """The operation behind a path."""
        return first_match(self._operations, method, path)

    def settle(self, now: float) -> None:
        """Nothing here becomes due: a replacement's end is read off the clock."""

    def forget(self) -> None:
        """Fresh scores."""
        self._scores.clear()
        self._hours.clear()

    def answer(self, operation: Operation | None, call: Call) -> Reply:
        """Checks the call, then does it."""
        version = call.path.strip("/").split("/", 1)[0]
        if version not in VERSIONS:
            raise refuse(2635, "You are calling a deprecated version of the Ads API")
        given = read_parameters(call)
        self._check_token(call, given)
        if operation is None:
            message = f"Unsupported {call.method.lower()} request"
            raise refuse(100, message, subcode=33)
        account = call.params.get("account") or self._account_of(call)
        usage = self._count(account, operation, call.now)
        try:
            reply = operation.handle(replace(call, parameters=given))
        except RefusedError as refused:
            raise RefusedError(refused.reply.adding(usage)) from None
        return reply.adding(usage)

    def failure(self, status: int, detail: str) -> Reply:
        """An error of any status."""
        return error(_CODES.get(status, 2), detail, status=status, transient=status >= 500)

    def _check_token(self, call: Call, given: Mapping[str, object]) -> None:
        scheme, _, bearer = call.headers.get("authorization", "").partition(" ")
        token = str(given.get("access_token") or (bearer if scheme == "Bearer" else ""))
        if not token:
            raise refuse(104, "An access token is required to request this resource.")
        secret = self._settings.config.facebook_app_secret
        if secret is None:
            return
        stamp = given.get("appsecret_time")
        message = token if stamp is None else f"{token}|{stamp}"
        proof = hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proof, str(given.get("appsecret_proof", ""))):
            raise refuse(100, "API calls from the server require an appsecret_proof argument")

    def _account_of(self, call: Call) -> str:
        row = self._store.connection.execute(
            "select account from facebook_audiences where id = ?",
            (call.params.get("audience"),),
        ).fetchone()
        return "" if row is None else str(row[0])

    def _count(self, account: str, operation: Operation, now: float) -> dict[str, str]:
        """Charges the account and returns its usage headers.

        Raises:
            RefusedError: The account is over its score or its hourly calls. There is no
                Retry-After: the headers say how long it takes.
        """
        config = self._settings.config
        tier = config.facebook_access_tier
        tier_ceiling, tier_block, per_hour = _TIERS[tier]
        ceiling = config.facebook_score_ceiling or tier_ceiling
        score = self._scores.setdefault(account, Score())
        hour = self._hours.setdefault((account, per_hour), FixedWindow(per_hour, 3_600))
        if config.limits:
            points = WRITE_POINTS if operation.writes else READ_POINTS
            block = config.facebook_block_seconds or tier_block
            admission = score.admit(now, points, ceiling, block)
            if not admission.admitted or hour.remaining(now) == 0:
                headers = _usage(account, score, hour, ceiling=ceiling, tier=tier, now=now)
                throttled = (
                    error(80003, "There have been too many calls from this ad-account.")
                    if admission.admitted
                    else error(17, "User request limit reached", subcode=2446079)
                )
                raise RefusedError(throttled.adding(headers))
            hour.count(now)
        return _usage(account, score, hour, ceiling=ceiling, tier=tier, now=now)


def _usage(
    account: str, score: Score, hour: FixedWindow, *, ceiling: int, tier: str, now: float
) -> dict[str, str]:
    used = round(100 * (hour.limit - hour.remaining(now)) / hour.limit)
    wait = hour.wait(now) if hour.remaining(now) == 0 else score.blocked_for(now)
    cases = {
        account or "0": [
            {
                "type": "custom_audience",
                "call_count": used,
                "total_cputime": used,
                "total_time": used,
                "estimated_time_to_regain_access": math.ceil(wait / 60),
            },
        ],
    }
    share = {
        "acc_id_util_pct": round(100 * score.total(now) / ceiling, 2),
        "reset_time_duration": math.ceil(score.blocked_for(now)),
        "ads_api_access_tier": tier,
    }
    return {
        "X-Business-Use-Case-Usage": json.dumps(cases),
        "X-Ad-Account-Usage": json.dumps(share),
    }
