"""Whole runs among hostile answers and hostile rows: they end in time, and in states or errors."""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syncs import Report, Status, SyncError, SyncSettings, chosen, plan_one, run_one
from syncs.destinations import klaviyo, registry
from syncs.records import Limit, State
from syncs.transport import Transport
from tests.support import hostile
from tests.support.box import Box
from tests.support.crashing import KINDS
from tests.support.hostile import Answer, Hostile
from tests.support.published import Shop
from tests.support.syncing import HEAD

FEW = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)  # fmt: skip
PEOPLE = 6
# Seconds: many times what a run takes, and less than one attempt that nobody ends.
_PATIENCE = 100
GUARD = "guard: {max_removed: null, max_added: null, min_members: 0}\n"


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile.serving() as found:
        yield found


@pytest.fixture(autouse=True)
def in_a_hurry(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits and deadlines, shorter."""
    limits: Mapping[str, Any] = registry.LIMITS
    for vendor, operations in limits.items():
        monkeypatch.setitem(limits, vendor, dict.fromkeys(operations, (Limit(1_000, 0.01),)))
    monkeypatch.setattr("syncs.transport.FIRST_BACKOFF", 0.001)
    monkeypatch.setattr(
        "syncs.connection.Transport", functools.partial(Transport, answer_seconds=0.3)
    )
    monkeypatch.setattr(klaviyo, "_JOB_DEADLINE", 0.5)
    monkeypatch.setattr(klaviyo, "_FIRST_POLL", 0.01)
    box.configure(limits=False, klaviyo_job_seconds=0, klaviyo_drop_test_domains=False)


def home_of(sync_settings: SyncSettings, kind: str, address: str, more: str = "") -> SyncSettings:
    """A fresh home with one spec, whose vendor is at an address."""
    home = Path(tempfile.mkdtemp(dir=sync_settings.home))
    vendor = kind.split("_", 1)[0]
    ours = sync_settings.model_copy(
        update={"home": home, "specs": home / "specs", f"{vendor}_base_url": address}
    )
    ours.specs.mkdir()
    (ours.specs / f"{kind}.yml").write_text(
        HEAD.format(name=kind) + f"destination: {kind}\n" + GUARD + KINDS[kind].spec + more
    )
    return ours


def shop() -> Shop:
    made = Shop()
    for i in range(PEOPLE):
        made.add(f"c{i}", first_name="Ada", ever_used_discount_code=True).member("buyers", f"c{i}")
    return made


def run(ours: SyncSettings, kind: str) -> Report | SyncError:
    try:
        return run_one(ours, chosen(ours, [kind])[kind])
    except SyncError as error:
        return error


def rows_of(ours: SyncSettings, kind: str) -> list[Any]:
    """What the ledger says of each row, after nothing is left unfolded."""
    file = ours.ledgers / f"{kind.split('_', 1)[0]}.duckdb"
    if not file.exists():
        return []
    with duckdb.connect(str(file), read_only=True) as con:
        assert con.execute("select count(*) from outbox").fetchone() == (0,)
        return con.execute("select row_key, state, reason, code from rows").fetchall()


def holds_together(ours: SyncSettings, kind: str, end: Report | SyncError) -> None:
    """See that a run ended in a state for every row, or in an error with a name."""
    if isinstance(end, SyncError):
        return
    assert end.status in Status
    rows = rows_of(ours, kind)
    assert len({key for key, *_ in rows}) == len(rows)
    assert {state for _, state, *_ in rows} <= set(State)
    told = end.accepted + end.rejected + end.held + end.unknown + end.skipped
    planned = sum(end.plan.counts.values())
    assert told == len(rows) if end.status is not Status.REFUSED else not rows
    assert told == planned or end.status in (Status.STOPPED, Status.REFUSED)
    said = json.dumps([[reason, code] for _, _, reason, code in rows]) + str(end) + str(end.reasons)
    assert not [who for who in hostile.IDENTIFIERS if who.lower() in said.lower()]


@FEW
@given(data=st.data())
@pytest.mark.parametrize("update_only", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_among_any_answers_ends_in_states_or_a_named_error(
    settings: SyncSettings, server: Hostile, kind: str, update_only: bool, data: st.DataObject
) -> None:
    if update_only and not kind.startswith("klaviyo"):
        return
    answers = itertools.cycle(data.draw(hostile.several(kind.split("_", 1)[0])))
    server.script = lambda *_: next(answers)
    ours = home_of(settings, kind, server.address, "update_only: true\n" * update_only)
    shop().publish(ours.home)

    began = time.monotonic()
    holds_together(ours, kind, run(ours, kind))
    assert time.monotonic() - began < _PATIENCE
    # And whatever that left behind is something to go on from.
    plan_one(ours, chosen(ours, [kind])[kind])
    assert not isinstance(run(ours, kind), SyncError)


@pytest.mark.parametrize("manner", ["silent", "dripping", "torn"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_never_gets_to_an_end_is_left_in_time(
    settings: SyncSettings, server: Hostile, box: Box, kind: str, manner: str
) -> None:
    server.script = lambda *_: Answer(manner=manner)
    ours = home_of(settings, kind, server.address)
    shop().publish(ours.home)

    began = time.monotonic()
    end = run(ours, kind)

    # Six attempts for each request; after three in a row that stay unanswered the vendor is down.
    assert time.monotonic() - began < _PATIENCE
    assert isinstance(end, Report)
    assert (end.status in (Status.STOPPED, Status.PARTIAL), end.accepted) == (True, 0)
    vendor = KINDS[kind].vendor
    healed = ours.model_copy(update={f"{vendor}_base_url": f"{box.address}/{vendor}"})
    assert isinstance(run(healed, kind), Report)
    # An event that may have arrived is for a person to decide, everything else arrives now.
    waiting = end.unknown if not KINDS[kind].idempotent else 0
    assert KINDS[kind].held(box) == PEOPLE - waiting


def job_script(*errors: Any) -> hostile.Script:
    """Klaviyo taking an import that then reports these e-mails as failed."""
    listed = [{"attributes": {"original_payload": {"email": email}}} for email in errors]
    counts = {"failed_count": len(errors), "completed_count": PEOPLE - len(errors)}

    def script(method: str, path: str) -> Answer:
        if method == "POST":
            return Answer(202, b'{"data": {"id": "job-1"}}')
        found: Any = {"data": {"attributes": {"status": "complete", **counts}}}
        if "import-errors" in path:
            found = {"data": listed}
        return Answer(200, json.dumps(found).encode())

    return script


@pytest.mark.parametrize(
    "stranger", ["stranger@mail.example", "\ud800@mail.example", "\x00", "", 7, None]
)
def test_a_job_that_names_a_stranger_is_not_believed(
    settings: SyncSettings, server: Hostile, stranger: object
) -> None:
    kind = "klaviyo_profile"
    ours = home_of(settings, kind, server.address)
    shop().publish(ours.home)
    server.script = job_script("c1@mail.example", stranger)

    end = run(ours, kind)

    assert isinstance(end, Report)
    # One state for each row, and none of them says that anything is delivered.
    assert (end.status, end.unknown) == (Status.PARTIAL, PEOPLE)
    holds_together(ours, kind, end)
    server.script = job_script("C1@mail.example")
    end = run(ours, kind)
    assert isinstance(end, Report)
    assert (end.accepted, end.rejected) == (PEOPLE - 1, 1)


odd_text = st.one_of(
    st.none(),
    st.sampled_from(
        [
            *("", " ", "\x00", "a\x00b@mail.example", "x" * 5_000, "x" * 200_000, "''';--"),
            *('"\\', "{}", "null", "\u202e\u2066", "\U0010ffff", "\ufeff", "ﬃ", "İ", "é" * 300),
            *("Ada@Mail.Example ", "a@b@mail.example", "ada@mail.example", "+12025550101", "0"),
            *(
                "+1 202 555 0102",
                "1e400",
                "\U0001d7d3\U0001d7d3",
                "00000000000000000000000000000000000000",
                "'+1",
            ),
            *(
                "a\x01b@mail.example",
                "\x1f@mail.example",
                "ada@mail.example\n",
                "\uff41da@mail.example",
            ),
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(
        lambda name: f"{name}@mail.example"
    ),
)
odd_date = st.sampled_from(
    ["0001-01-01", "9999-12-31", "2026-11-21", "1969-12-31", "0044-03-15 (BC)", None]
)
odd_amount = st.sampled_from(["0.01", "-0.00", "9999999999999999.99", "-1e15", None])
odd_number = st.sampled_from(["nan", "inf", "-inf", "1e308", "5e-324", "-0.0", None])
odd_row = st.fixed_dictionaries(
    {
        # Valid ones, so that the rest of the row gets as far as a vendor.
        "email": st.integers(0, 99).map(lambda n: f"ada{n}@mail.example") | odd_text,
        "phone": st.integers(0, 99).map(lambda n: f"+120255501{n:02}") | odd_text,
        "first_name": odd_text,
        "city": odd_text,
        "country": odd_text,
        "customer_segment": odd_text,
        "email_consent": odd_text,
        "last_order_on": odd_date,
        "average_order_value": odd_amount,
        "ever_used_discount_code": st.sampled_from(["true", "false", None]),
        "score": odd_number,
        "order_count": st.sampled_from(["0", "-1", "9223372036854775807", None]),
        "entered_on": st.just("2026-11-21") | odd_date,
    }
)

PROPERTIES = (
    "properties: {used: ever_used_discount_code, name: first_name, group: customer_segment, "
    "last: last_order_on, value: average_order_value, score: score, count: order_count}\n"
)


def publish_odd(ours: SyncSettings, rows: list[dict[str, Any]]) -> None:
    """Publish a shop, then put these rows in the place of its customers' own values."""
    made = Shop()
    for i in range(len(rows)):
        made.add(f"c{i}").member("buyers", f"c{i}")
    with duckdb.connect(str(made.publish(ours.home))) as con:
        con.execute("alter table customers add column score double")
        for i, row in enumerate(rows):
            columns = [name for name in row if name != "entered_on"]
            assignments = ", ".join(f"{name} = ?" for name in columns)
            con.execute(
                f"update customers set {assignments} where customer_key = ?",
                [*(row[name] for name in columns), f"c{i}"],
            )
            con.execute(
                "update segment_periods set entered_on = ? where customer_key = ?",
                [row["entered_on"], f"c{i}"],
            )


@FEW
@given(rows=st.lists(odd_row, min_size=1, max_size=6), by=st.sampled_from(["email", "phone"]))
@pytest.mark.parametrize("kind", KINDS)
def test_any_published_row_ends_in_a_state_or_a_named_error(
    settings: SyncSettings, box: Box, kind: str, by: str, rows: list[dict[str, Any]]
) -> None:
    box.reset()
    vendor = KINDS[kind].vendor
    ours = home_of(settings, kind, f"{box.address}/{vendor}")
    text = (ours.specs / f"{kind}.yml").read_text()
    text = text.replace("{email: email}", f"{{{by}: {by}}}")
    if "properties: {" in text:
        text = text[: text.index("properties: {")] + PROPERTIES
    (ours.specs / f"{kind}.yml").write_text(text)
    publish_odd(ours, rows)

    planned = plan_one(ours, chosen(ours, [kind])[kind])
    end = run(ours, kind)

    holds_together(ours, kind, end)
    assert isinstance(end, Report)
    assert sum(planned.left_out.values()) + planned.members >= 0
    # Again nothing, but for what a vendor refused today.
    again = run(ours, kind)
    assert isinstance(again, Report)
    assert (again.accepted, again.unknown) == (0, 0)
