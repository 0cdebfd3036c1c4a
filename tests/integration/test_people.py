"""What vendors are asked and told about single people, through the real transport."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from syncs.credentials import resolve
from syncs.destinations.facebook_audiences import rename
from syncs.destinations.facebook_graph import Graph
from syncs.destinations.facebook_people import FacebookPeople, cells_of
from syncs.destinations.klaviyo_pages import any_of, pages
from syncs.destinations.people import (
    AudienceState,
    DescribesObjects,
    Erases,
    Erasure,
    ErasureState,
    Identifiers,
    ReadsBack,
    same_value,
)
from syncs.destinations.registry import HEADERS, LIMITS, people_of
from syncs.errors import AnswerLostError, DeliveryError, StoppedError
from syncs.ratelimit import RateLimiter
from syncs.transport import Transport
from tests.support.box import Box
from tests.support.waiting import wait_until

VENDORS = ("klaviyo", "attentive", "facebook")
ADA = Identifiers(emails=("ada+shop@mail.example",), phones=("+12025550101",))
GRACE = Identifiers(emails=("grace@mail.example",), phones=("+12025550102",))
PERSONAL = (
    *ADA.emails,
    ADA.phones[0][1:],
    hashlib.sha256(ADA.emails[0].encode()).hexdigest(),
    hashlib.sha256(ADA.phones[0][1:].encode()).hexdigest(),
)
AUDIENCES = "/v26.0/act_1000000000/customaudiences"


class Desk:
    """Asks one vendor. Every question has a transport, and every desk limits, of its own."""

    def __init__(self, box: Box, home: Path, account: str) -> None:
        self._box = box
        self._home = home
        self._account = account
        self._runs = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple[Transport, Any]]:
        self._runs += 1
        secret = resolve(self._account, demo=True)
        limiters = {
            operation: RateLimiter(self._home / f"{self._account}-{operation}", limits)
            for operation, limits in LIMITS[self._account].items()
        }
        async with Transport(
            f"{self._box.address}/{self._account}",
            HEADERS[self._account](secret.token),
            limiters.__getitem__,
            sleep=lambda _: asyncio.sleep(0.005),
        ) as transport:
            yield transport, people_of(self._account, transport, secret, f"run-{self._runs}")

    def ask(self, question: Callable[[Any], Awaitable[Any]]) -> Any:
        async def asked() -> Any:
            async with self.opened() as (_, people):
                return await question(people)

        return asyncio.run(asked())

    def raw(self, method: str, path: str, document: object = None, **options: Any) -> Any:
        """One call past the modules under test, to set the scene."""
        options.setdefault("operation", next(iter(LIMITS[self._account])))
        body = None if document is None else json.dumps(document).encode()

        async def called() -> Any:
            async with self.opened() as (transport, _):
                answer = await transport.request(method, path, body=body, **options)
                assert answer.status < 300, answer.status
                return answer.json()

        return asyncio.run(called())

    def erase(self, person: Identifiers) -> Erasure:
        found: Erasure = self.ask(lambda people: people.erase(person))
        return found

    def erased(self, erasure: Erasure, person: Identifiers) -> bool:
        return bool(self.ask(lambda people: people.erased(erasure.reference, person)))

    def held(self, kind: str, identifiers: list[str], *names: str) -> Any:
        return self.ask(lambda people: people.held(kind, identifiers, names))


@pytest.fixture
def klaviyo(box: Box, tmp_path: Path) -> Desk:
    return Desk(box, tmp_path, "klaviyo")


@pytest.fixture
def attentive(box: Box, tmp_path: Path) -> Desk:
    return Desk(box, tmp_path, "attentive")


@pytest.fixture
def facebook(box: Box, tmp_path: Path) -> Desk:
    return Desk(box, tmp_path, "facebook")


def operations(box: Box, vendor: str) -> list[str]:
    return [r["operation"] for r in box.requests(vendor)]


def test_abilities_are_told_apart(klaviyo: Desk, attentive: Desk, facebook: Desk) -> None:
    async def abilities(people: object) -> tuple[bool, bool, bool]:
        kinds = (Erases, ReadsBack, DescribesObjects)
        return tuple(isinstance(people, kind) for kind in kinds)  # type: ignore[return-value]

    assert klaviyo.ask(abilities) == (True, True, False)
    assert attentive.ask(abilities) == (True, True, False)
    assert facebook.ask(abilities) == (True, False, True)


# Klaviyo


def know_at_klaviyo(desk: Desk, **attributes: Any) -> None:
    document = {"data": {"type": "profile", "attributes": attributes}}
    desk.raw("POST", "/api/profile-import", document, operation="profiles")


def test_klaviyo_profiles_are_found_a_hundred_at_a_time(box: Box, klaviyo: Desk) -> None:
    known = [f"p{n:03d}+{n}@mail.example" for n in range(230)]
    unknown = [f"nobody{n}@mail.example" for n in range(20)]
    box.know(known)
    box.set_properties(known[:150], used=True, tier="gold")
    box.set_properties(known[100:150], tier=None)

    found = klaviyo.held("email", unknown + known, "used", "tier")

    assert operations(box, "klaviyo") == ["get_profiles"] * 3
    assert sorted(found) == known
    assert [found[e] for e in known[:100]] == [{"used": True, "tier": "gold"}] * 100
    assert [found[e] for e in known[100:150]] == [{"used": True}] * 50
    assert [found[e] for e in known[150:]] == [{}] * 80


def test_klaviyo_addresses_are_found_in_any_case_and_with_any_sign(klaviyo: Desk) -> None:
    know_at_klaviyo(klaviyo, email="Ada+Shop@Mail.Example", properties={"n": 1})
    know_at_klaviyo(klaviyo, email="o'hara&co=1%2b@mail.example", properties={"n": 2})
    know_at_klaviyo(klaviyo, phone_number="+12025550101", properties={"n": 3})

    asked = ["ada+shop@mail.example", "o'hara&co=1%2b@mail.example"]
    assert klaviyo.held("email", asked, "n") == {asked[0]: {"n": 1}, asked[1]: {"n": 2}}
    assert klaviyo.held("phone", ["+12025550101", "+12025550199"], "n") == {
        "+12025550101": {"n": 3}
    }
    assert klaviyo.held("email", []) == {}


def test_klaviyo_pages_are_followed_to_the_end(box: Box, klaviyo: Desk) -> None:
    emails = [f"p{n:02d}@mail.example" for n in range(45)]
    box.know(emails)
    params = {"filter": any_of("email", emails), "page[size]": "10"}

    async def sizes() -> list[int]:
        async with klaviyo.opened() as (transport, _):
            found = pages(transport, "/api/profiles", operation="profiles", params=params)
            return [len(page) async for page in found]

    assert asyncio.run(sizes()) == [10, 10, 10, 10, 5]


def test_klaviyo_pages_that_go_round_in_a_circle_end(box: Box, klaviyo: Desk) -> None:
    link = "https://a.klaviyo.example/api/profiles?page%5Bcursor%5D=again"
    page = {"data": [], "links": {"next": link}}
    box.fault("klaviyo", "status", method="GET", status=200, times=None, body=page)

    with pytest.raises(AnswerLostError, match="no end"):
        klaviyo.held("email", ["ada@mail.example"])


def test_klaviyo_deletes_whoever_has_any_of_the_identifiers(box: Box, klaviyo: Desk) -> None:
    box.know([*ADA.emails, *GRACE.emails])
    know_at_klaviyo(klaviyo, phone_number=ADA.phones[0])
    box.configure(klaviyo_delete_seconds=2)

    asked = klaviyo.erase(ADA)

    assert asked == Erasure(ErasureState.ACCEPTED)
    assert not klaviyo.erased(asked, ADA)
    wait_until(lambda: klaviyo.erased(asked, ADA))
    assert sorted(klaviyo.held("email", [*ADA.emails, *GRACE.emails])) == list(GRACE.emails)
    assert klaviyo.held("phone", list(ADA.phones)) == {}


def test_klaviyo_has_nobody_to_delete_twice(box: Box, klaviyo: Desk) -> None:
    box.know(list(ADA.emails))
    box.configure(klaviyo_delete_seconds=0)
    assert klaviyo.erase(ADA).state is ErasureState.ACCEPTED
    assert klaviyo.erase(ADA) == Erasure(ErasureState.DONE)
    assert klaviyo.erase(GRACE) == Erasure(ErasureState.DONE)


def test_klaviyo_finding_nobody_to_delete_is_not_believed_when_somebody_is_there(
    box: Box, klaviyo: Desk
) -> None:
    box.know(list(ADA.emails))
    box.fault("klaviyo", "status", method="POST", status=404, times=None)

    refused = klaviyo.erase(ADA)

    assert (refused.state, refused.code) == (ErasureState.OPEN, "404")
    assert len(klaviyo.held("email", list(ADA.emails))) == 1


def test_klaviyo_deletions_stay_below_its_limit(box: Box, klaviyo: Desk) -> None:
    people = [f"p{n}@mail.example" for n in range(7)]
    box.know(people)

    erasure = klaviyo.erase(Identifiers(emails=tuple(people)))

    assert erasure.state is ErasureState.ACCEPTED
    assert [r["status"] for r in box.writes("klaviyo")] == [202] * 7


# Attentive


def write_to_attentive(desk: Desk, user: dict[str, str], **properties: Any) -> None:
    desk.raw("POST", "/v1/attributes/custom", {"user": user, "properties": properties})


def test_attentive_attributes_are_read_back(box: Box, attentive: Desk) -> None:
    phones = [f"+1202555{100 + n:04d}" for n in range(40)]
    box.set_attributes({"used": True, "tier": "gold"}, phones=phones)
    box.set_attributes({"tier": None}, phones=phones[:10])

    found = attentive.held("phone", [*phones, "+12025550999"], "used", "tier", "other")

    assert sorted(found) == phones
    assert [found[p] for p in phones[:10]] == [{"used": True}] * 10
    assert [found[p] for p in phones[10:]] == [{"used": True, "tier": "gold"}] * 30


def test_attentive_people_are_found_by_address_with_a_plus(attentive: Desk) -> None:
    write_to_attentive(attentive, {"email": ADA.emails[0]}, n=1)
    assert attentive.held("email", [*ADA.emails, *GRACE.emails], "n") == {ADA.emails[0]: {"n": 1}}


def test_attentive_attributes_may_be_spelt_the_other_way_and_be_text(
    box: Box, attentive: Desk
) -> None:
    text = '[{"attribute": "used", "value": "TRUE"}, {"name": "n", "value": "24"}, 7, {}]'
    box.fault("attentive", "status", method="GET", status=200, body=text)

    found = attentive.held("phone", list(ADA.phones), "used", "n")

    assert found == {ADA.phones[0]: {"used": "TRUE", "n": "24"}}
    assert same_value(True, "TRUE")
    assert same_value(24, "24")


@pytest.mark.parametrize(("status", "body"), [(400, "no"), (200, "{}"), (200, "<html>")])
def test_an_odd_answer_of_attentive_is_nobodys_absence(
    box: Box, attentive: Desk, status: int, body: str
) -> None:
    box.fault("attentive", "status", method="GET", status=status, body=body)
    with pytest.raises(DeliveryError):
        attentive.held("phone", list(ADA.phones), "used")


def test_attentive_erases_later_and_says_when(box: Box, attentive: Desk) -> None:
    write_to_attentive(attentive, {"phone": ADA.phones[0]}, used=True)
    write_to_attentive(attentive, {"email": ADA.emails[0]}, used=True)
    write_to_attentive(attentive, {"phone": GRACE.phones[0]}, used=True)
    box.configure(attentive_delete_seconds=2)

    asked = attentive.erase(ADA)

    assert asked.state is ErasureState.ACCEPTED
    assert len(json.loads(asked.reference)) == 2
    assert not attentive.erased(asked, ADA)
    wait_until(lambda: attentive.erased(asked, ADA))
    assert box.state()["attentive"]["people"] == 1
    assert attentive.held("phone", [*ADA.phones, *GRACE.phones]) == {GRACE.phones[0]: {}}

    again = attentive.erase(ADA)
    assert again.state is ErasureState.ACCEPTED
    assert again.reference != asked.reference
    assert not attentive.erased(Erasure(ErasureState.ACCEPTED, '["unknown"]'), ADA)
    assert not attentive.erased(Erasure(ErasureState.ACCEPTED), ADA)


def test_attentive_being_asked_for_the_impossible_leaves_it_open(attentive: Desk) -> None:
    erasure = attentive.erase(Identifiers(emails=("nobody",), phones=ADA.phones))
    assert (erasure.state, erasure.code) == (ErasureState.OPEN, "400")


# Facebook


def make_audience(desk: Desk, name: str, schema: list[str], rows: list[list[str]]) -> str:
    values = {"name": name, "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    key = desk.raw("POST", AUDIENCES, values)["id"]
    if rows:
        payload = {"schema": schema, "is_raw": True, "data": rows}
        desk.raw("POST", f"/v26.0/{key}/users", {"payload": payload})
    return str(key)


def three_audiences(desk: Desk) -> None:
    ada_email, ada_phone = (cell for row in cells_of(ADA) for cell in row if cell)
    grace_email, grace_phone = (cell for row in cells_of(GRACE) for cell in row if cell)
    both = ["EMAIL", "PHONE"]
    rows = [[ada_email, ada_phone], [grace_email, grace_phone]]
    make_audience(desk, "Both", both, rows)
    make_audience(desk, "Phones", ["PHONE"], [[ada_phone], [grace_phone]])
    make_audience(desk, "Graces", both, rows[1:])


def sizes(box: Box) -> dict[str, int]:
    return {a["name"]: a["members"] for a in box.state()["facebook"]["audiences"]}


def test_facebook_lets_go_of_a_person_everywhere(box: Box, facebook: Desk) -> None:
    three_audiences(facebook)
    for _ in range(2):
        erasure = facebook.erase(ADA)
        assert erasure.state is ErasureState.DONE
        assert facebook.erased(erasure, ADA)
        assert sizes(box) == {"Both": 1, "Phones": 1, "Graces": 1}
    (last,) = [r for r in box.writes("facebook") if r["operation"].startswith("delete_users")][1:]
    assert (last["status"], last["rows"]) == (200, 2)


def test_facebook_takes_hashes_alone(box: Box, facebook: Desk) -> None:
    three_audiences(facebook)

    async def remove(people: FacebookPeople) -> Erasure:
        return await people.remove([*cells_of(ADA), *cells_of(GRACE)])

    assert facebook.ask(remove).state is ErasureState.DONE
    assert sizes(box) == {"Both": 0, "Phones": 0, "Graces": 0}


def test_a_removal_that_facebook_refuses_for_its_size_stays_open(box: Box, facebook: Desk) -> None:
    three_audiences(facebook)
    box.configure(facebook_minimum_members=2)
    refused = facebook.erase(ADA)
    assert (refused.state, refused.code) == (ErasureState.OPEN, "200/1870047")
    assert not facebook.erased(refused, ADA)
    assert sizes(box) == {"Both": 2, "Phones": 2, "Graces": 1}
    box.configure(facebook_minimum_members=0)
    assert facebook.erase(ADA).state is ErasureState.DONE


@pytest.mark.parametrize(("status", "code"), [(414, "2650/1870145"), (471, "100/1713230")])
def test_a_removal_from_a_busy_or_flagged_audience_stays_open(
    box: Box, facebook: Desk, status: int, code: str
) -> None:
    three_audiences(facebook)
    box.force_status("Phones", status)
    refused = facebook.erase(ADA)
    assert (refused.state, refused.code) == (ErasureState.OPEN, code)
    assert sizes(box) == {"Both": 2, "Phones": 2, "Graces": 1}
    box.force_status("Phones", None)
    assert facebook.erase(ADA).state is ErasureState.DONE
    assert sizes(box) == {"Both": 1, "Phones": 1, "Graces": 1}


@pytest.mark.parametrize(
    ("received", "invalid", "code"), [(2, 1, "invalid_entries"), (1, 0, "missing_rows")]
)
def test_rows_that_facebook_does_not_count_are_not_done(
    box: Box, facebook: Desk, received: int, invalid: int, code: str
) -> None:
    body = {"account_id": "1", "session_id": "2", "num_received": received,
            "num_invalid_entries": invalid,
            "invalid_entry_samples": {"0": cells_of(ADA)[0][0]}}  # fmt: skip
    box.fault("facebook", "status", method="DELETE", status=200, body=body)
    erasure = facebook.erase(ADA)
    assert (erasure.state, erasure.code) == (ErasureState.OPEN, code)


def test_an_audience_is_described(box: Box, facebook: Desk) -> None:
    rows = [[hashlib.sha256(f"{n}@mail.example".encode()).hexdigest()] for n in range(3_000)]
    key = make_audience(facebook, "Buyers", ["EMAIL"], rows)

    def described() -> AudienceState:
        found: AudienceState = facebook.ask(lambda people: people.describe(key))
        return found

    assert described() == AudienceState(True, "Buyers", 200, 200, 2_800, 3_200)
    box.delete_members("Buyers", count=2_990)
    box.force_status("Buyers", 471)
    box.rename_audience("Buyers", "Sellers")
    assert described() == AudienceState(True, "Sellers", 471, 200, 1_000, 1_000)
    box.delete_audience("Sellers")
    assert described() == AudienceState(exists=False)


def test_a_lost_permission_is_no_lost_audience(box: Box, facebook: Desk) -> None:
    key = make_audience(facebook, "Buyers", ["EMAIL"], [])
    error = {"error": {"code": 100, "error_subcode": 33, "message": "Unsupported get request"}}
    box.fault("facebook", "status", method="GET", status=400, times=None, body=error)
    with pytest.raises(StoppedError, match="admin"):
        facebook.ask(lambda people: people.describe(key))


def test_an_audience_is_renamed_with_its_members(
    box: Box, facebook: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [[hashlib.sha256(f"{n}@mail.example".encode()).hexdigest()] for n in range(30)]
    key = make_audience(facebook, "Buyers", ["EMAIL"], rows)

    async def renamed(name: str) -> None:
        async with facebook.opened() as (transport, _):
            graph = Graph(transport, account_id="1000000000", token="demo", app_secret="hush")
            await rename(graph, key, name, "Everybody who bought.")

    box.configure(facebook_app_secret="hush")
    asyncio.run(renamed("Customers"))
    assert sizes(box) == {"Customers": 30}
    with pytest.raises(StoppedError) as stopped:
        asyncio.run(renamed(""))
    assert stopped.value.code == "100"
    box.fault("facebook", "status", method="POST", status=200, body={"success": False})
    with pytest.raises(StoppedError):
        asyncio.run(renamed("Somebody else's"))
    assert sizes(box) == {"Customers": 30}


# All of them


@pytest.mark.parametrize("vendor", VENDORS)
def test_without_an_identifier_nothing_is_asked_and_nothing_is_done(
    box: Box, tmp_path: Path, vendor: str
) -> None:
    erasure = Desk(box, tmp_path, vendor).erase(Identifiers())
    assert (erasure.state, erasure.code) == (ErasureState.OPEN, "no_identifier")
    assert box.requests() == []


_ECHO = json.dumps({"error": PERSONAL, "message": PERSONAL[0], "errors": [{"code": PERSONAL[0]}]})
_GRAPH = {"error": {"code": 100, "message": _ECHO}}
FAULTS: list[dict[str, Any]] = [
    {"action": "html", "status": 400},
    {"action": "html", "status": 200},
    {"action": "truncated-json"},
    {"action": "drop-after-apply"},
    {"action": "reset"},
    {"action": "status", "status": 200, "body": _ECHO},
    {"action": "status", "status": 400, "body": _ECHO},
    {"action": "status", "status": 400, "body": _GRAPH},
    {"action": "status", "status": 401, "body": _ECHO},
    {"action": "status", "status": 403, "body": _ECHO},
    {"action": "status", "status": 500, "body": _ECHO},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f['action']}-{f.get('status', '')}")
@pytest.mark.parametrize("vendor", VENDORS)
def test_nobody_is_named_in_what_goes_wrong_and_nothing_wrong_is_done(
    box: Box, tmp_path: Path, vendor: str, fault: dict[str, Any]
) -> None:
    desk = Desk(box, tmp_path, vendor)
    box.fault(vendor, times=None, **fault)
    told: list[str] = []
    questions: list[Callable[[Any], Awaitable[Any]]] = [lambda people: people.erase(ADA)]
    if vendor != "facebook":
        questions += [
            lambda people: people.held("email", ADA.emails, ("used",)),
            lambda people: people.erased('["17"]', ADA),
        ]
    for question in questions:
        try:
            answer = desk.ask(question)
        except DeliveryError as error:
            told += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
        else:
            told.append(repr(answer))
            if isinstance(answer, Erasure):
                assert answer.state is not ErasureState.DONE
    box.heal()
    assert told
    found = [secret for secret in PERSONAL for text in told if secret in text]
    assert found == []


def test_identifiers_show_nobody() -> None:
    assert repr(ADA) == "Identifiers()"


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        (True, True), (True, "true"), (False, "FALSE"), ("true", True),
        (24, "24"), (24, 24.0), (24, "24.00"), (0.1, "0.10"), ("50.89", 50.89), (-3, "-3"),
        ("gold", "gold"), ("", ""), (["b", 1], ["b", "1"]), ({"a": 1}, {"a": 1.0}),
        ("2026-11-21", "2026-11-21T00:00:00.000Z"), ("2026-11-21", "2026-11-21 00:00:00"),
        ("2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00Z"),
    ],
)  # fmt: skip
def test_values_that_are_the_same_in_another_form(sent: object, returned: object) -> None:
    assert same_value(sent, returned)
    assert same_value(returned, sent)


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        (True, False), (True, 1), (True, "1"), (False, ""), (False, None), (24, 25), (24, "24 "),
        ("gold", "Gold"), ("gold", "silver"), ([1, 2], [2, 1]), ([], {}), ({"a": 1}, {"b": 1}),
        ("2026-11-21", "2026-11-22"), ("2026-13-45", "2026-13-46"), (float("nan"), 1),
        ("9" * 401, "8" * 401),
    ],
)  # fmt: skip
def test_values_that_differ(sent: object, returned: object) -> None:
    assert not same_value(sent, returned)
    assert not same_value(returned, sent)
