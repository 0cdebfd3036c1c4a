"""Whatever a vendor answers and whatever is published: a row state or a named error, in time."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syncs.credentials import Credentials
from syncs.destinations import klaviyo
from syncs.destinations.facebook_audiences import rename
from syncs.destinations.klaviyo import KlaviyoProfiles
from syncs.destinations.people import AudienceState, Erasure, Identifiers
from syncs.destinations.registry import HEADERS, LIMITS, destination_of, people_of
from syncs.errors import AnswerLostError, DeliveryError, UnreachableError
from syncs.ratelimit import RateLimiter
from syncs.records import (
    Accepted,
    Batch,
    Limit,
    Operation,
    Refused,
    RefusedWhole,
    Started,
    TooLarge,
)
from syncs.spec import SPEC
from syncs.transport import Transport
from tests.support import hostile
from tests.support.crashing import KINDS
from tests.support.hostile import EMAIL, IDENTIFIERS, PHONE, Answer, Hostile

QUICK = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)  # fmt: skip
SECRET = Credentials(token="token-secret", account_id="1000000000", app_secret="app-secret")
WORDS = {"name": "hostile", "description": "A sync of the tests.", "owner": "data@example.org"}


class Clock:
    """Time that passes only for those who sleep."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)
        await asyncio.sleep(0)


def spec_of(kind: str) -> Any:
    words = WORDS | {"destination": kind, "audience": "buyers", "identify_by": {"email": "email"}}
    if kind == "facebook_audience":
        words |= {"audience_name": "Buyers", "identify_by": {"EMAIL": "email", "PHONE": "phone"}}
    else:
        words["properties"] = {"used": "ever_used_discount_code"}
    if kind.endswith("_event"):
        words["event"] = {"name": "Bought"}
    return SPEC.validate_python(words)


class Asker:
    """Asks destinations, all of whom the hostile server stands for."""

    def __init__(self, server: Hostile, folder: Path) -> None:
        self.server = server
        self._runner = asyncio.Runner()
        self._clock = Clock()
        limiter = RateLimiter(
            folder / "all", (Limit(50, 1),), clock=self._clock, sleep=self._clock.sleep
        )
        self._transports = {
            account: Transport(
                server.address,
                HEADERS[account](SECRET.token),
                lambda _: limiter,
                sleep=self._clock.sleep,
                answer_seconds=5,
            )
            for account in LIMITS
        }

    def close(self) -> None:
        async def leave() -> None:
            for transport in self._transports.values():
                await transport.__aexit__()

        self._runner.run(leave())
        self._runner.close()

    def ask(
        self, who: str, answers: Iterable[Answer], question: Callable[[Any], Awaitable[object]]
    ) -> object:
        """What a kind of sync, or an account's people, make of endless answers.

        A DeliveryError is returned like an answer.
        """
        following = iter(answers)
        self.server.script = lambda *_: next(following)
        account = who.split("_", 1)[0]
        transport = self._transports[account]
        if who == account:
            asked: Any = people_of(account, transport, SECRET, "run-1")
        elif who == "klaviyo_profile":
            asked = KlaviyoProfiles(
                spec_of(who), "US", transport, clock=self._clock, sleep=self._clock.sleep
            )
        else:
            asked = destination_of(spec_of(who), "US", transport, SECRET, "run-1")

        async def ask() -> object:
            async with asyncio.timeout(20):
                try:
                    return await question(asked)
                except DeliveryError as error:
                    return error

        return self._runner.run(ask())


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with hostile.serving() as server, pytest.MonkeyPatch.context() as patch:
        # Polls take no time here, but there are hundreds of them in half an hour.
        patch.setattr(klaviyo, "_JOB_DEADLINE", 60.0)
        found = Asker(server, tmp_path_factory.mktemp("limits"))
        yield found
        found.close()


def names_nobody(found: object) -> None:
    """See that nothing a run would write down names the person of the request."""
    told = [str(found)] if isinstance(found, DeliveryError) else []
    if isinstance(found, Accepted):
        told += [
            found.reference,
            *map(repr, found.rejected.values()),
            *map(repr, found.named.values()),
        ]
    elif isinstance(found, Refused):
        told += map(repr, found.rejected.values())
    elif isinstance(found, RefusedWhole):
        told.append(repr(found.rejection))
    elif isinstance(found, Started):
        told.append(found.reference)
    elif isinstance(found, Erasure):
        told += [found.reference, found.code, found.reason]
    said = " ".join(told)
    said.encode()
    assert "\0" not in said
    assert not [who for who in IDENTIFIERS if who.lower() in said.lower()], said


BATCH = Batch(Operation.UPSERT, 3, ",".join(f'{{"email":"{name}"}}' for name in "abc"))


ADA = Identifiers(emails=(EMAIL,), phones=(PHONE,))
KNOWN = [EMAIL, "grace@mail.example"]


@QUICK
@given(data=st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_any_answer_to_a_write_is_an_answer_or_a_named_error(
    asker: Asker, kind: str, data: st.DataObject
) -> None:
    answers = data.draw(hostile.several(kind.split("_", 1)[0]))

    found = asker.ask(kind, itertools.cycle(answers), lambda destination: destination.send(BATCH))

    assert isinstance(found, Accepted | Refused | RefusedWhole | Started | TooLarge | DeliveryError)
    names_nobody(found)
    if isinstance(found, Accepted | Refused):
        assert all(0 <= index < BATCH.rows for index in found.rejected)


async def prepare(destination: Any) -> object:
    objects: dict[str, str] = {}
    await destination.prepare({Operation.UPSERT: 3}, objects)
    return objects


QUESTIONS: dict[str, tuple[str, Callable[[Any], Awaitable[object]]]] = {
    "follow a job": ("klaviyo_profile", lambda one: one.follow("job-1", 3)),
    "who exists": ("klaviyo_profile", lambda one: one.existing(KNOWN)),
    "prepare": ("facebook_audience", prepare),
    "describe": ("facebook", lambda people: people.describe("1")),
    "rename": ("facebook", lambda people: rename(people._graph, "1", "Buyers", "")),
    **{
        f"{vendor}: {what}": (vendor, question)
        for vendor in ("klaviyo", "attentive")
        for what, question in {
            "what they hold": lambda people: people.held("email", KNOWN, ["used"]),
            "is it erased": lambda people: people.erased('["1"]', ADA),
        }.items()
    },
    **{
        f"{vendor}: erase": (vendor, lambda people: people.erase(ADA))
        for vendor in ("klaviyo", "attentive", "facebook")
    },
}


@QUICK
@given(data=st.data())
@pytest.mark.parametrize("what", QUESTIONS)
def test_any_answer_to_a_question_is_an_answer_or_a_named_error(
    asker: Asker, what: str, data: st.DataObject
) -> None:
    who, question = QUESTIONS[what]
    answers = data.draw(hostile.several(who.split("_", 1)[0]))

    found = asker.ask(who, itertools.cycle(answers), question)

    names_nobody(found)
    if what == "prepare" and isinstance(found, dict):
        assert found["audience_id"].isdigit()
    elif isinstance(found, set | dict):
        assert set(found) <= set(KNOWN)
    elif isinstance(found, Accepted):
        assert all(name.encode() for name in found.named)
    else:
        assert found is None or isinstance(found, bool | Erasure | AudienceState | DeliveryError)


def pages(next_cursor: Callable[[int], str]) -> Iterator[Answer]:
    """Pages of which there is always another one, in the forms of Klaviyo and Facebook."""
    for number in itertools.count():
        cursor = next_cursor(number)
        page = {
            "data": [],
            "links": {"next": f"https://a.example/?page[cursor]={cursor}"},
            "paging": {"cursors": {"after": cursor}, "next": "https://g.example/next"},
        }
        yield Answer(body=json.dumps(page).encode())


@pytest.mark.parametrize("what", ["who exists", "klaviyo: what they hold", "prepare"])
@pytest.mark.parametrize(
    "next_cursor", [lambda _: "1", lambda n: str(n % 2), str], ids=["same", "circle", "endless"]
)
def test_pages_without_an_end_have_one(
    asker: Asker, what: str, next_cursor: Callable[[int], str]
) -> None:
    who, question = QUESTIONS[what]

    found = asker.ask(who, pages(next_cursor), question)

    # The same page of audiences again is taken for the last; then there is nothing to be made.
    assert isinstance(found, DeliveryError)


def test_import_errors_without_an_end_have_one(asker: Asker) -> None:
    attributes = {"status": "complete", "failed_count": 1, "completed_count": 2}
    job = Answer(body=json.dumps({"data": {"attributes": attributes}}).encode())

    found = asker.ask(
        "klaviyo_profile",
        itertools.chain([job], pages(str)),
        lambda destination: destination.follow("job-1", 3),
    )

    assert isinstance(found, AnswerLostError)


@pytest.mark.parametrize(
    "text", [EMAIL, f"Invalid: {PHONE}", PHONE[1:], "a\x00b", "\ud800", 7, None]
)
@pytest.mark.parametrize("place", ["code", "title", "detail", "pointer"])
@pytest.mark.parametrize("pointed", [True, False])
def test_a_refusal_repeats_nobody(asker: Asker, place: str, text: object, pointed: bool) -> None:
    where = "/data/attributes/profiles/data/1/attributes/"
    error: dict[str, Any] = {"code": "invalid", "source": {"pointer": where * pointed}}
    if place == "pointer":
        error["source"]["pointer"] += str(text)
    else:
        error[place] = text
    answer = Answer(400, json.dumps({"errors": [error]}).encode())

    found = asker.ask("klaviyo_profile", itertools.repeat(answer), lambda one: one.send(BATCH))

    assert isinstance(found, Refused if pointed else RefusedWhole)
    names_nobody(found)


HUGE = "1" + "0" * 400
USAGES = [
    {"x-ad-account-usage": f'{{"reset_time_duration": {HUGE}}}'},
    {"x-ad-account-usage": f'{{"reset_time_duration": -{HUGE}}}'},
    {"x-business-use-case-usage": f'{{"1": [{{"estimated_time_to_regain_access": {HUGE}}}]}}'},
    {"x-business-use-case-usage": '{"1": [{"estimated_time_to_regain_access": 1e308}]}'},
    {"x-business-use-case-usage": "[" * 30_000},
]


@pytest.mark.parametrize("usage", USAGES, ids=range(len(USAGES)))
def test_an_absurd_wait_is_cut(asker: Asker, usage: dict[str, str]) -> None:
    answer = Answer(400, b'{"error": {"code": 80003}}', usage)

    found = asker.ask("facebook_audience", itertools.repeat(answer), lambda one: one.send(BATCH))

    assert isinstance(found, UnreachableError)
