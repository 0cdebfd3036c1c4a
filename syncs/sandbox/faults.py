"""Faults on demand: what goes wrong between a client and a vendor, made to happen at will."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt

Action = Literal[
    "status",
    "slow",
    "timeout",
    "reset",
    "html",
    "truncated-json",
    "drop-after-apply",
    "reject-rows",
    "cancel-job",
]


class Rule(BaseModel):
    """One fault and the calls it hits.

    Actions that leave the call unapplied: `status` (answers with `status`, `headers`, `body`; the
    body is in the vendor's error shape if none is given), `timeout` (waits `delay` seconds, then
    closes the connection), `reset` (resets the connection at once), `html` (a challenge page, 403
    unless `status` says otherwise). Actions that apply it: `slow` (waits `delay` seconds first),
    `truncated-json` (half of the body is missing), `drop-after-apply` (the connection closes
    without an answer), `cancel-job` (a Klaviyo import that ends as cancelled with nothing written)
    and `reject-rows` (Klaviyo bulk calls refuse rows whose e-mail contains `reject_emails`).

    Attributes:
        vendor: Whose calls.
        action: What happens.
        operation: Only this operation.
        path: Only paths this regular expression finds a match in.
        method: Only this HTTP method.
        body_contains: Only calls whose body contains this text.
        skip: Matching calls to let pass first.
        times: Matching calls to hit; None hits all.
        status: HTTP status for `status` and `html`.
        headers: Headers for `status` and `html`.
        body: Body for `status` and `html`: text, or an object sent as JSON.
        delay: Seconds for `timeout` and `slow`.
        reject_emails: Substring of the e-mail addresses whose rows are refused.
        form: Refused rows are named by `pointer` in a 400, are not named in it (`no-pointer`),
            or fail one by one in the finished job (`import-errors`).
        pointers: Whether import errors carry a pointer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vendor: Literal["klaviyo", "attentive", "facebook"]
    action: Action
    operation: str | None = None
    path: str | None = None
    method: str | None = None
    body_contains: str | None = None
    skip: NonNegativeInt = 0
    times: PositiveInt | None = 1
    status: int | None = None
    headers: dict[str, str] = {}
    body: str | dict[str, object] | None = None
    delay: NonNegativeFloat = 0.0
    reject_emails: str | None = None
    form: Literal["pointer", "no-pointer", "import-errors"] = "pointer"
    pointers: bool = True

    def hits(self, vendor: str, operation: str, method: str, path: str, body: bytes) -> bool:
        """Whether a call is one this fault is meant for."""
        texts = (self.body_contains, self.reject_emails)
        return (
            self.vendor == vendor
            and self.operation in {None, operation}
            and self.method in {None, method}
            and (self.path is None or re.search(self.path, path) is not None)
            and all(text is None or text.encode() in body for text in texts)
        )

    def rejects(self, email: object) -> bool:
        """Whether a row with this address shall be refused."""
        return (
            self.action == "reject-rows"
            and self.reject_emails is not None
            and isinstance(email, str)
            and self.reject_emails in email
        )


class Faults:
    """The faults still to come, in the order they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Rule, list[int]]] = []

    def add(self, rules: list[Rule]) -> None:
        """Appends faults behind those already waiting."""
        self._waiting.extend((rule, [0]) for rule in rules)

    def clear(self) -> None:
        """Drops every fault."""
        self._waiting.clear()

    def take(self, vendor: str, operation: str, method: str, path: str, body: bytes) -> Rule | None:
        """The first fault that hits this call, counted as used; None when all is well."""
        for rule, seen in self._waiting:
            if not rule.hits(vendor, operation, method, path, body):
                continue
            seen[0] += 1
            used = seen[0] - rule.skip
            if used > 0 and (rule.times is None or used <= rule.times):
                return rule
        return None
