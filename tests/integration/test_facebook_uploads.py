"""Batches of one audience when answers are refused, lost, or too much was asked at once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncs.credentials import resolve
from syncs.destinations.facebook import FacebookAudience
from syncs.destinations.registry import HEADERS, LIMITS
from syncs.errors import AnswerLostError, StoppedError, UnreachableError
from syncs.ratelimit import RateLimiter
from syncs.records import Accepted, Answer, Batch, Operation, Refused, TooLarge
from syncs.spec import AudienceSpec
from syncs.transport import Transport
from tests.support.box import Box

ADD, REMOVE = Operation.UPSERT, Operation.REMOVE

Story = Callable[[FacebookAudience], Awaitable[Any]]


def spec(name: str) -> AudienceSpec:
    return AudienceSpec.model_validate(
        {
            "name": "mirror",
            "description": "A sync of the tests.",
            "owner": "data@example.org",
            "destination": "facebook_audience",
            "audience": "buyers",
            "audience_name": name,
            "identify_by": {"EMAIL": "email"},
        }
    )


class Account:
    """Uploads to one ad account, each time as a run of its own."""

    def __init__(self, box: Box, home: Path) -> None:
        self._box = box
        self._home = home
        self._runs = 0
        self.objects: dict[str, str] = {}

    @asynccontextmanager
    async def opened(self, name: str) -> AsyncIterator[FacebookAudience]:
        self._runs += 1
        secret = resolve("facebook", demo=True)
        limiters = {
            operation: RateLimiter(self._home / f"facebook-{operation}", limits)
            for operation, limits in LIMITS["facebook"].items()
        }
        async with Transport(
            f"{self._box.address}/facebook",
            HEADERS["facebook"](secret.token),
            limiters.__getitem__,
            sleep=lambda _: asyncio.sleep(0.002),
        ) as transport:
            yield FacebookAudience(
                spec(name),
                "US",
                transport,
                account_id=secret.account_id,
                token=secret.token,
                app_secret=None,
                run_id=f"run-{self._runs}",
            )

    def run(self, rows: dict[Operation, int], story: Story, name: str = "Buyers") -> Any:
        async def told() -> Any:
            async with self.opened(name) as audience:
                await audience.prepare(rows, self.objects)
                return await story(audience)

        return asyncio.run(told())

    def fill(self, count: int) -> None:
        self.run({ADD: count}, lambda audience: audience.send(batch(ADD, 0, count)))


@pytest.fixture
def account(box: Box, tmp_path: Path) -> Account:
    return Account(box, tmp_path)


def batch(operation: Operation, first: int, count: int) -> Batch:
    hashes = (hashlib.sha256(str(n).encode()).hexdigest() for n in range(first, first + count))
    return Batch(operation, count, ",".join(f'["{found}"]' for found in hashes))


async def halved(
    audience: FacebookAudience, operation: Operation, first: int, count: int
) -> list[Answer]:
    """Sends rows as the engine does: what is too large, in halves."""
    answer = await audience.send(batch(operation, first, count))
    if not isinstance(answer, TooLarge):
        return [answer]
    middle = count // 2
    return [
        *await halved(audience, operation, first, middle),
        *await halved(audience, operation, first + middle, count - middle),
    ]


def sent(box: Box) -> list[tuple[int | None, int]]:
    return [
        (r["status"], r["rows"])
        for r in box.writes("facebook")
        if r["operation"] in {"add_users", "remove_users"}
    ]


def test_a_removal_that_is_too_large_is_made_in_parts(box: Box, account: Account) -> None:
    account.fill(6_000)
    box.configure(facebook_most_removed_rows=2_000)

    async def story(audience: FacebookAudience) -> list[Answer]:
        first = await halved(audience, REMOVE, 0, 3_000)
        return first + await halved(audience, REMOVE, 3_000, 3_000)

    answers = account.run({REMOVE: 6_000}, story)

    assert all(isinstance(answer, Accepted) for answer in answers)
    assert box.members("Buyers") == 0
    removals = sent(box)[1:]
    # All attempts of the first size, then what works, without ever trying the first size again.
    assert [status for status, _ in removals[:6]] == [400] * 6
    assert removals[6:] == [(200, 750)] * 8


def test_a_vendor_that_is_down_is_not_asked_for_ever(box: Box, account: Account) -> None:
    account.fill(1)
    box.fault("facebook", "html", path="/users", status=502, times=None)

    async def story(audience: FacebookAudience) -> None:
        await halved(audience, ADD, 0, 10_000)

    with pytest.raises(AnswerLostError):
        account.run({ADD: 10_000}, story)
    assert len(sent(box)[1:]) == 4 * 6
    assert box.members("Buyers") == 1


def test_after_a_lost_answer_the_upload_goes_on_in_another_session(
    box: Box, account: Account
) -> None:
    async def story(audience: FacebookAudience) -> list[str]:
        first = await audience.send(batch(ADD, 0, 10))
        box.fault("facebook", "drop-after-apply", path="/users", times=6)
        with pytest.raises(AnswerLostError):
            await audience.send(batch(ADD, 10, 10))
        rest = [await audience.send(batch(ADD, n, 10)) for n in (10, 20)]
        return [answer.reference for answer in (first, *rest) if isinstance(answer, Accepted)]

    first, second, third = account.run({ADD: 30}, story)

    assert first != second == third
    assert box.members("Buyers") == 30


def test_a_refused_removal_leaves_no_gap_and_the_session_is_ended(
    box: Box, account: Account
) -> None:
    account.fill(30)

    async def story(audience: FacebookAudience) -> list[Answer]:
        answers = [await audience.send(batch(REMOVE, 0, 10))]
        box.configure(facebook_minimum_members=15)
        answers.append(await audience.send(batch(REMOVE, 10, 10)))
        answers.append(await audience.send(batch(REMOVE, 20, 5)))
        return answers

    first, refused, last = account.run({REMOVE: 25}, story)

    assert isinstance(refused, Refused)
    assert len(refused.rejected) == 10
    assert {r.code for r in refused.rejected.values()} == {"200/1870047"}
    assert isinstance(first, Accepted)
    assert isinstance(last, Accepted)
    assert first.reference == last.reference
    assert box.members("Buyers") == 15


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [(414, UnreachableError, "busy"), (471, StoppedError, "flagged")],
)
def test_a_status_that_comes_in_the_middle_ends_the_run_and_loses_nothing(
    box: Box, account: Account, code: int, error: type[Exception], text: str
) -> None:
    async def story(audience: FacebookAudience) -> list[Answer]:
        answers = [await audience.send(batch(ADD, 0, 400))]
        box.force_status("Buyers", code)
        with pytest.raises(error, match=text):
            await audience.send(batch(ADD, 400, 400))
        box.force_status("Buyers", None)
        return [*answers, await audience.send(batch(ADD, 400, 400))]

    first, second = account.run({ADD: 800}, story)

    assert first.reference == second.reference
    assert box.members("Buyers") == 800


@pytest.mark.parametrize(
    "body",
    [
        {"audience_id": "1", "session_id": "2"},
        {"audience_id": "1", "session_id": "2", "num_received": 3, "num_invalid_entries": 0},
        {"audience_id": "1", "session_id": "2", "num_received": 4, "num_invalid_entries": 1},
        {"num_received": None},
        {},
    ],
)
def test_a_success_that_does_not_count_every_row_is_none(
    box: Box, account: Account, body: dict[str, Any]
) -> None:
    async def story(audience: FacebookAudience) -> Answer:
        box.fault("facebook", "status", path="/users", status=200, body=body)
        with pytest.raises(AnswerLostError):
            await audience.send(batch(ADD, 0, 4))
        return await audience.send(batch(ADD, 0, 4))

    assert isinstance(account.run({ADD: 4}, story), Accepted)
    assert box.members("Buyers") == 4


def test_another_name_is_the_same_audience(box: Box, account: Account) -> None:
    account.fill(5)
    known = dict(account.objects)

    async def nothing(_: FacebookAudience) -> None:
        pass

    account.run({ADD: 1}, nothing, name="Customers")

    assert account.objects == known
    assert [(a["name"], a["members"]) for a in box.state()["facebook"]["audiences"]] == [
        ("Customers", 5)
    ]


def test_an_audience_flagged_for_its_name_gets_the_new_one_at_once(
    box: Box, account: Account
) -> None:
    account.fill(5)
    box.force_status("Buyers", 471)

    async def nothing(_: FacebookAudience) -> None:
        pass

    with pytest.raises(StoppedError, match="flagged"):
        account.run({ADD: 1}, nothing, name="Customers")
    assert box.members("Customers") == 5
