"""What was published stays known; where it differs from today's knowledge is explained."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_project import history, warehouse
from tests.unit.test_warehouse import holding

DAY = date(2026, 11, 20)
NEXT = DAY + timedelta(1)
RULES = '{"active_days": 180}'

LAYOUT = {
    "customers": "customer_key VARCHAR, as_of DATE",
    "orders": "order_id VARCHAR, customer_key VARCHAR, ordered_on DATE, is_valid BOOLEAN, "
    "invalid_reason VARCHAR, refunded_amount DECIMAL(18, 2), net_amount DECIMAL(18, 2), "
    "discount_kinds VARCHAR[], discount_codes VARCHAR[]",
    "customer_identities": "customer_key VARCHAR, id_type VARCHAR, id_value VARCHAR",
    "erasures": "customer_key VARCHAR, requested_on DATE, id_type VARCHAR, id_value VARCHAR",
    "segment_periods": "segment VARCHAR, customer_key VARCHAR, entered_on DATE, exited_on DATE",
    "segment_members": "segment VARCHAR, customer_key VARCHAR, entered_on DATE, as_of DATE",
    "segment_catalog": "segment VARCHAR, kind VARCHAR, parameters VARCHAR, status VARCHAR",
}


@dataclass(frozen=True)
class Order:
    customer_key: str | None = "c_ann"
    ordered_on: date = DAY
    is_valid: bool = True
    invalid_reason: str | None = None
    refunded_amount: Decimal = Decimal(0)
    net_amount: Decimal = Decimal(50)
    discount_kinds: tuple[str, ...] | None = ()
    discount_codes: tuple[str, ...] | None = ()


@dataclass
class Shop:
    """What the models have built; `periods` are (segment, customer, entered, exited)."""

    home: Path
    periods: list[tuple[str, str, date, date | None]] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    rules: dict[str, tuple[str, str, str]] = field(
        default_factory=lambda: {"buyers": ("periods", RULES, "available")}
    )
    known: set[str] = field(default_factory=set)
    identities: list[tuple[str, str, str]] = field(default_factory=list)
    erasures: list[tuple[str, date, str, str]] = field(default_factory=list)
    times: int = 0

    @property
    def published(self) -> Path:
        return self.home / "published" / "segments.duckdb"

    def publish(self, as_of: date = DAY) -> history.Recorded:
        self.times += 1
        members = [
            (segment, key, entered, as_of)
            for segment, key, entered, exited in self.periods
            if entered <= as_of and (exited is None or exited > as_of)
        ]
        keys = {key for _, key, *_ in self.periods} | self.known
        keys |= {order.customer_key for order in self.orders.values() if order.customer_key}
        rows: dict[str, Iterable[tuple[Any, ...]]] = {
            "customers": [(key, as_of) for key in keys],
            "orders": [
                (order_id, *(list(v) if isinstance(v, tuple) else v for v in vars(o).values()))
                for order_id, o in self.orders.items()
                if o.ordered_on <= as_of
            ],
            "customer_identities": self.identities,
            "erasures": self.erasures,
            "segment_periods": self.periods,
            "segment_members": members,
            "segment_catalog": [(name, *about) for name, about in self.rules.items()],
        }
        path = self.home / "warehouse.duckdb"
        with warehouse.write(path) as con:
            con.execute("CREATE SCHEMA IF NOT EXISTS marts")
            for name in (*warehouse.PUBLISHED_TABLES, warehouse.ERASURES):
                con.execute(f"CREATE OR REPLACE TABLE marts.{name} ({LAYOUT.get(name, 'x INT')})")
                for row in rows.get(name, ()):
                    marks = ", ".join("?" * len(row))
                    con.execute(f"INSERT INTO marts.{name} VALUES ({marks})", row)
        return warehouse.publish(
            path,
            self.published,
            as_of=as_of,
            shop_timezone="America/New_York",
            shop_currency="USD",
            clock=lambda: datetime(2026, 11, 21, 6, tzinfo=UTC),
        ).history

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with warehouse.read(self.published) as con:
            return con.execute(sql).fetchall()

    def changes(self, as_of: date) -> list[tuple[Any, ...]]:
        return self.ask(
            "SELECT segment, customer_key, change FROM published_changes "
            f"WHERE as_of = DATE '{as_of}' ORDER BY ALL"
        )

    def corrections(self) -> list[tuple[Any, ...]]:
        return self.ask("SELECT order_id, customer_key, cause FROM order_corrections ORDER BY ALL")

    def published_on(self, day: date) -> list[tuple[Any, ...]]:
        return self.ask(f"FROM members_published_on(DATE '{day}') ORDER BY ALL")

    def differences(self, day: date) -> list[tuple[Any, ...]]:
        return self.ask(f"FROM published_differences(DATE '{day}') ORDER BY ALL")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(
        tmp_path,
        periods=[("buyers", "c_ann", DAY - timedelta(9), None), ("buyers", "c_bob", DAY, NEXT)],
        orders={"o1": Order(), "o2": Order("c_bob")},
    )


def test_the_first_publication_is_all_there_is(shop: Shop) -> None:
    recorded = shop.publish()
    assert recorded == history.Recorded(
        publications=1,
        added=2,
        removed=0,
        rules=1,
        corrections=0,
        renamed=0,
        replaced=0,
        started="nothing was published before",
    )
    assert shop.changes(DAY) == [("buyers", "c_ann", "added"), ("buyers", "c_bob", "added")]
    assert shop.ask("SELECT segment, parameters, status FROM published_rules") == [
        ("buyers", RULES, "available")
    ]
    assert shop.ask(
        "SELECT p.publication_id = q.publication_id, p.as_of, p.published_at = q.published_at, "
        "publication_number FROM publications AS p, publication AS q"
    ) == [(True, DAY, True, 1)]
    assert shop.corrections() == []
    assert shop.differences(DAY) == []


def test_nothing_changed_nothing_recorded_but_that_it_was_published(shop: Shop) -> None:
    shop.publish()
    recorded = shop.publish()
    assert (recorded.added, recorded.removed, recorded.rules, recorded.corrections) == (0, 0, 0, 0)
    assert recorded.started is None
    numbers = shop.ask("SELECT publication_number, as_of FROM publications")
    assert numbers == [(1, DAY), (2, DAY)]
    assert shop.ask("SELECT count(DISTINCT publication_id) FROM publications") == [(2,)]


def test_a_day_more_records_the_difference_and_keeps_the_past(shop: Shop) -> None:
    shop.publish()
    shop.periods.append(("buyers", "c_cat", NEXT, None))
    shop.orders["o3"] = Order("c_cat", NEXT)
    recorded = shop.publish(NEXT)
    assert (recorded.added, recorded.removed) == (1, 1)
    assert shop.changes(NEXT) == [("buyers", "c_bob", "removed"), ("buyers", "c_cat", "added")]
    assert shop.published_on(DAY) == [("buyers", "c_ann"), ("buyers", "c_bob")]
    assert shop.published_on(NEXT) == [("buyers", "c_ann"), ("buyers", "c_cat")]
    assert shop.corrections() == [], "an order of the new day corrects nothing"
    assert shop.differences(DAY) == shop.differences(NEXT) == []


def test_members_of_a_day_from_todays_knowledge(shop: Shop) -> None:
    shop.publish(NEXT)
    assert shop.ask(f"FROM members_on(DATE '{DAY}') ORDER BY ALL") == [
        ("buyers", "c_ann", DAY - timedelta(9)),
        ("buyers", "c_bob", DAY),
    ]
    assert shop.ask(f"SELECT customer_key FROM members_on(DATE '{NEXT}')") == [("c_ann",)]
    assert shop.ask(f"FROM members_on(DATE '{NEXT + timedelta(1)}')") == []
    assert shop.differences(NEXT + timedelta(1)) == []


def test_the_last_of_two_publications_of_one_day_counts(shop: Shop) -> None:
    shop.publish()
    shop.periods = [("buyers", "c_bob", DAY, None)]
    shop.publish()
    assert shop.published_on(DAY) == [("buyers", "c_bob")]


def test_a_missed_day_shows_the_day_before_and_says_so(shop: Shop) -> None:
    late = DAY + timedelta(3)
    shop.publish()
    shop.publish(late)
    missed = DAY + timedelta(1)
    assert shop.published_on(missed) == shop.published_on(DAY)
    assert shop.differences(missed) == [("buyers", "c_bob", True, False, "not yet published")]
    assert shop.differences(late) == []


def test_before_the_first_publication_nothing_was_published(shop: Shop) -> None:
    shop.publish()
    assert shop.published_on(DAY - timedelta(1)) == []
    assert shop.differences(DAY - timedelta(1)) == [
        ("buyers", "c_ann", False, True, "not yet published")
    ]


def test_an_older_day_published_again_is_no_correction(shop: Shop) -> None:
    shop.orders["o3"] = Order("c_ann", NEXT)
    shop.publish(NEXT)
    shop.publish(DAY)
    shop.publish(NEXT)
    assert shop.corrections() == []
    assert shop.published_on(DAY) == [("buyers", "c_ann"), ("buyers", "c_bob")]
    assert shop.published_on(NEXT) == [("buyers", "c_ann")]


BEFORE = Order("c_ann")
CANCELLED = Order("c_ann", is_valid=False, invalid_reason="cancelled")
REFUNDED = Order("c_ann", is_valid=False, invalid_reason="fully_refunded", net_amount=Decimal(0))


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (None, BEFORE, "late_order"),
        (None, Order(None), "late_order"),
        (BEFORE, None, "deleted"),
        (BEFORE, CANCELLED, "cancellation"),
        (BEFORE, Order("c_ann", is_valid=False, invalid_reason="voided"), "cancellation"),
        (BEFORE, REFUNDED, "refund"),
        (BEFORE, Order("c_ann", refunded_amount=Decimal("0.01")), "refund"),
        (BEFORE, Order("c_ann", is_valid=False, invalid_reason="test"), "validity"),
        (CANCELLED, BEFORE, "validity"),
        (CANCELLED, Order("c_ann", is_valid=False, invalid_reason="voided"), "validity"),
        (BEFORE, Order("c_ann", DAY - timedelta(1)), "date"),
        (BEFORE, Order("c_ann", net_amount=Decimal(49)), "amount"),
        (BEFORE, Order("c_ann", discount_codes=("SAVE",)), "amount"),
        (BEFORE, Order("c_ann", discount_kinds=("manual",)), "amount"),
    ],
)
def test_each_fact_that_changed_has_its_cause(
    shop: Shop, before: Order | None, after: Order | None, cause: str
) -> None:
    shop.orders |= {"o9": before} if before else {}
    shop.publish()
    shop.orders.pop("o9", None)
    shop.orders |= {"o9": after} if after else {}
    recorded = shop.publish(NEXT)
    customer = after.customer_key if after else "c_ann"
    assert shop.corrections() == [("o9", customer, cause)]
    assert recorded.corrections == 1
    assert shop.ask("SELECT as_of, ordered_on FROM order_corrections") == [
        (NEXT, (after or BEFORE).ordered_on)
    ]
    assert shop.publish(NEXT).corrections == 0, "told once"


def test_an_order_moved_behind_the_published_day_left_its_picture(shop: Shop) -> None:
    shop.orders["o9"] = Order()
    shop.publish()
    shop.orders["o9"] = Order(ordered_on=NEXT)
    shop.publish(NEXT)
    assert shop.corrections() == [("o9", "c_ann", "date")]


def test_an_order_of_another_customer_concerns_both(shop: Shop) -> None:
    shop.known = {"c_ann", "c_cat"}
    shop.publish()
    shop.orders["o1"] = Order("c_cat", is_valid=False, invalid_reason="cancelled")
    shop.publish(NEXT)
    assert shop.corrections() == [("o1", "c_ann", "identity"), ("o1", "c_cat", "identity")]


def test_an_order_that_finds_its_customer_concerns_them(shop: Shop) -> None:
    shop.orders["o9"] = Order(None)
    shop.publish()
    shop.orders["o9"] = Order("c_ann")
    shop.publish(NEXT)
    assert shop.corrections() == [("o9", "c_ann", "identity")]


def test_discount_records_that_go_missing_correct_no_order(shop: Shop) -> None:
    shop.orders["o1"] = Order(discount_kinds=("code",), discount_codes=("SAVE",))
    shop.publish()
    for order_id, order in shop.orders.items():
        facts = vars(order) | {"discount_kinds": None, "discount_codes": None}
        shop.orders[order_id] = Order(**facts)
    assert shop.publish(NEXT).corrections == 0


def test_a_difference_is_explained_by_what_was_learnt_since(shop: Shop) -> None:
    shop.publish()
    shop.orders["o1"] = CANCELLED
    shop.orders["o3"] = Order("c_cat")
    shop.periods = [("buyers", "c_bob", DAY, NEXT), ("buyers", "c_cat", DAY, None)]
    shop.publish(NEXT)
    assert shop.differences(DAY) == [
        ("buyers", "c_ann", True, False, "cancellation"),
        ("buyers", "c_cat", False, True, "late order"),
    ]
    assert shop.differences(NEXT) == [], "the second publication knew"


def test_several_causes_are_all_told(shop: Shop) -> None:
    shop.orders["o9"] = Order("c_ann")
    shop.publish()
    shop.orders["o1"] = Order(refunded_amount=Decimal(5))
    shop.orders["o9"] = CANCELLED
    shop.periods.pop(0)
    shop.rules["buyers"] = ("periods", '{"active_days": 90}', "available")
    shop.publish(NEXT)
    assert shop.differences(DAY) == [
        ("buyers", "c_ann", True, False, "cancellation, refund, rule change")
    ]


def test_a_changed_rule_is_logged_and_explains(shop: Shop) -> None:
    shop.rules["quiet"] = ("periods", "{}", "available")
    shop.publish()
    shop.periods = shop.periods[1:]
    shop.rules["buyers"] = ("periods", '{"active_days": 90}', "available")
    del shop.rules["quiet"]
    shop.rules["fresh"] = ("periods", "{}", "unavailable")
    assert shop.publish(NEXT).rules == 3
    assert shop.ask(
        "SELECT as_of, segment, parameters, status FROM published_rules ORDER BY ALL"
    ) == [
        (DAY, "buyers", RULES, "available"),
        (DAY, "quiet", "{}", "available"),
        (NEXT, "buyers", '{"active_days": 90}', "available"),
        (NEXT, "fresh", "{}", "unavailable"),
        (NEXT, "quiet", None, "removed"),
    ]
    assert shop.differences(DAY) == [("buyers", "c_ann", True, False, "rule change")]


def test_a_history_that_is_found_cut_is_no_change_of_a_rule(shop: Shop) -> None:
    shop.publish()
    shop.periods = shop.periods[1:]
    shop.rules["buyers"] = ("periods", RULES, "left_censored")
    assert shop.publish(NEXT).rules == 0
    assert shop.differences(DAY) == [("buyers", "c_ann", True, False, "other input")]
    shop.rules["buyers"] = ("periods", RULES, "unavailable")
    assert shop.publish(NEXT).rules == 1


@pytest.mark.parametrize(("kind", "why"), [("snapshot", "population"), ("periods", "other input")])
def test_what_no_order_and_no_rule_explains(shop: Shop, kind: str, why: str) -> None:
    shop.rules["buyers"] = (kind, RULES, "available")
    shop.publish()
    shop.periods = shop.periods[1:]
    shop.publish(NEXT)
    assert shop.differences(DAY) == [("buyers", "c_ann", True, False, why)]


def test_who_is_merged_away_or_erased_is_left_as_a_pseudonym(shop: Shop) -> None:
    shop.orders["o9"] = Order("c_ann", net_amount=Decimal(1))
    shop.publish()
    shop.orders["o9"] = Order("c_ann")
    shop.publish()
    # Ann's key is merged into Bob's.
    shop.periods = [("buyers", "c_bob", DAY, None)]
    shop.orders = {"o1": Order("c_bob"), "o2": Order("c_bob"), "o9": Order("c_bob")}
    recorded = shop.publish(NEXT)
    assert recorded.replaced == 1
    ((gone,),) = shop.ask(
        "SELECT DISTINCT customer_key FROM published_changes WHERE customer_key <> 'c_bob'"
    )
    assert len(gone) == len("gone_") + 32
    assert gone.startswith("gone_")
    assert shop.published_on(DAY) == [("buyers", "c_bob"), ("buyers", gone)]
    assert shop.published_on(NEXT) == [("buyers", "c_bob")]
    assert set(shop.corrections()) == {
        ("o1", "c_bob", "identity"),
        ("o1", gone, "identity"),
        ("o9", "c_bob", "identity"),
        ("o9", gone, "identity"),
        ("o9", gone, "amount"),
    }
    assert shop.differences(DAY) == [("buyers", gone, True, False, "customer merged or erased")]
    assert b"c_ann" not in shop.published.read_bytes()

    shop.orders["o9"] = Order("c_bob", net_amount=Decimal(2))
    assert shop.publish(NEXT).replaced == 0
    assert shop.published_on(DAY) == [("buyers", "c_bob"), ("buyers", gone)], "the same pseudonym"


def test_pseudonyms_are_drawn_and_not_derived(tmp_path: Path) -> None:
    drawn = set()
    for home in (tmp_path / "one", tmp_path / "two"):
        shop = Shop(home, periods=[("buyers", "c_ann", DAY, None)])
        shop.publish()
        shop.periods = []
        shop.publish(NEXT)
        drawn |= set(shop.ask("SELECT DISTINCT customer_key FROM published_changes"))
    assert len(drawn) == 2


def test_somebody_who_comes_back_is_somebody_new(shop: Shop) -> None:
    shop.publish()
    periods, orders = shop.periods, shop.orders
    shop.periods, shop.orders = periods[1:], {"o2": orders["o2"]}
    shop.publish()
    shop.periods, shop.orders = periods, orders
    assert shop.publish().added == 1
    assert shop.published_on(DAY) == [("buyers", "c_ann"), ("buyers", "c_bob")]


def test_a_customer_without_segments_who_goes_is_gone_from_the_corrections_too(shop: Shop) -> None:
    shop.orders["o9"] = Order("c_dan")
    shop.publish()
    del shop.orders["o9"]
    shop.publish(NEXT)
    ((order_id, customer, cause),) = shop.corrections()
    assert (order_id, cause) == ("o9", "deleted")
    assert customer.startswith("gone_")


def test_a_file_without_history_starts_one(shop: Shop) -> None:
    shop.publish()
    shop.published.chmod(0o644)
    with duckdb.connect(str(shop.published)) as con:
        con.execute("DROP TABLE order_corrections")
    recorded = shop.publish(NEXT)
    assert recorded.started == "what was published before has no history"
    assert recorded.publications == 1
    assert shop.ask("SELECT as_of FROM publications") == [(NEXT,)]
    assert shop.changes(NEXT) == [("buyers", "c_ann", "added")]


def test_a_file_that_cannot_be_read_starts_one(shop: Shop) -> None:
    shop.publish()
    shop.published.chmod(0o644)
    shop.published.write_bytes(b"not a database" * 1000)
    recorded = shop.publish(NEXT)
    assert recorded.started == "what was published before cannot be read"
    assert shop.ask("SELECT as_of FROM publications") == [(NEXT,)]


def test_a_broken_block_starts_one(shop: Shop) -> None:
    shop.known = {f"c_{number}" for number in range(3000)}
    shop.publish()
    shop.published.chmod(0o644)
    whole = bytearray(shop.published.read_bytes())
    for place in range(3 * 4096 + 4000, len(whole), 4096):
        whole[place : place + 8] = b"\xff" * 8
    shop.published.write_bytes(whole)
    recorded = shop.publish(NEXT)
    assert recorded.started == "what was published before cannot be read"
    assert shop.changes(NEXT) == [("buyers", "c_ann", "added")]


@pytest.mark.parametrize("mode", ["read-only", "read-write"])
def test_a_notebook_on_the_published_file_does_not_end_the_history(shop: Shop, mode: str) -> None:
    shop.publish()
    shop.published.chmod(0o644)
    with holding(shop.published, mode):
        assert shop.publish(NEXT).started is None
    assert shop.published_on(DAY) == [("buyers", "c_ann"), ("buyers", "c_bob")]


def test_what_somebody_wrote_beside_the_published_file_is_no_history(shop: Shop) -> None:
    shop.publish()
    shop.published.with_name("segments.duckdb.wal").write_bytes(b"no log at all" * 99)
    assert shop.publish(NEXT).started is None
    assert shop.ask("SELECT count(*) FROM publications") == [(2,)]


def test_attached_under_another_name(shop: Shop) -> None:
    shop.publish()
    shop.orders["o1"] = CANCELLED
    shop.periods = shop.periods[1:]
    shop.publish(NEXT)
    asked = ("members_on", "members_published_on", "published_differences")
    direct = {name: shop.ask(f"FROM {name}(DATE '{DAY}') ORDER BY ALL") for name in asked}
    assert all(direct.values())
    with duckdb.connect() as con:
        con.execute(f"ATTACH '{shop.published}' AS \"pub-1\" (READ_ONLY)")
        con.execute("CREATE TABLE segment_periods AS SELECT 1 AS x")
        for name, rows in direct.items():
            sql = f"FROM \"pub-1\".{name}(DATE '{DAY}', 'pub-1') ORDER BY ALL"
            assert con.execute(sql).fetchall() == rows
        con.execute('USE "pub-1"')
        for name, rows in direct.items():
            assert con.execute(f"FROM {name}(DATE '{DAY}') ORDER BY ALL").fetchall() == rows


def test_every_table_column_and_macro_has_a_comment(shop: Shop) -> None:
    shop.publish()
    columns = shop.ask(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NOT NULL"
    )
    assert set(columns) == {
        (table, column.split()[0]) for table, names in history.TABLES.items() for column in names
    }
    tables = shop.ask("SELECT table_name FROM duckdb_tables() WHERE comment IS NOT NULL")
    assert {name for (name,) in tables} == set(history.TABLES)
    macros = shop.ask(
        "SELECT function_name FROM duckdb_functions() "
        "WHERE function_type = 'table_macro' AND database_name = 'segments' AND comment IS NOT NULL"
    )
    assert len(macros) == 3


def test_the_history_has_the_columns_it_says(shop: Shop) -> None:
    shop.publish()
    shop.publish(NEXT)
    for table, columns in history.TABLES.items():
        described = shop.ask(f"DESCRIBE {table}")
        names = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
        found = [f"{row[0]} {names.get(row[1], row[1])}" for row in described]
        assert tuple(found) == columns


_PEOPLE = st.sets(st.sampled_from([f"c_{number}" for number in range(6)]))
_PICTURE = st.tuples(
    st.integers(0, 4), st.dictionaries(st.sampled_from(["a", "b"]), _PEOPLE), _PEOPLE
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_PICTURE, min_size=1, max_size=5))
def test_folding_the_changes_gives_exactly_what_was_published(
    pictures: list[tuple[int, dict[str, set[str]], set[str]]],
) -> None:
    home = Path(tempfile.mkdtemp())
    try:
        shop = Shop(home)
        shown: list[tuple[date, set[tuple[str, str]]]] = []
        gone: set[str] = set()
        before: set[str] = set()
        for offset, members, known in pictures:
            day = DAY + timedelta(offset)
            shop.periods = [(s, key, day, None) for s, keys in members.items() for key in keys]
            shop.known = known
            shop.publish(day)
            now = {key for _, key, *_ in shop.periods} | known
            gone |= before - now
            before |= now
            shown.append((day, {(s, key) for s, keys in members.items() for key in keys}))
        numbers = shop.ask("SELECT publication_number, as_of FROM publications")
        assert numbers == [(n + 1, day) for n, (day, _) in enumerate(shown)]
        for number, (_, expected) in enumerate(shown, start=1):
            folded = shop.ask(
                "SELECT segment, customer_key, sum(if(change = 'added', 1, -1)) "
                "FROM published_changes JOIN publications USING (publication_id) "
                f"WHERE publication_number <= {number} GROUP BY ALL"
            )
            assert {total for _, _, total in folded} <= {0, 1}
            found = {(segment, key) for segment, key, total in folded if total}
            names = {key for _, key in found if not key.startswith("gone_")}
            assert {row for row in found if row[1] in names} <= expected
            # Pseudonyms hide who somebody was, not in which segments they were together.
            assert _together(found, names) == _together(expected, names)
            assert {key for _, key in expected} - names <= gone
        for day in {day for day, _ in shown}:
            latest = [members for shown_on, members in shown if shown_on == day][-1]
            found = set(shop.ask(f"FROM members_published_on(DATE '{day}')"))
            names = {key for _, key in found if not key.startswith("gone_")}
            assert _together(found, names) == _together(latest, names)
    finally:
        shutil.rmtree(home)


def _together(members: set[tuple[str, str]], names: set[str]) -> list[tuple[str, ...]]:
    """Which segments each customer is in: by name, or for the others without."""
    people = {key for _, key in members}
    return sorted(
        (key if key in names else "", *sorted(s for s, member in members if member == key))
        for key in people
    )


def test_a_customer_with_another_key_keeps_their_past(shop: Shop) -> None:
    shop.identities = [("c_ann", "email", "ann@mail.example"), ("c_ann", "customer_id", "a1")]
    shop.orders["o9"] = Order("c_ann", net_amount=Decimal(1))
    shop.publish()
    shop.orders["o9"] = Order("c_ann")
    shop.publish()
    # An older order of Ann's becomes known: it has another address.
    shop.identities = [
        *(("c_anna", kind, value) for _, kind, value in shop.identities),
        ("c_anna", "email", "anna@mail.example"),
    ]
    shop.periods[0] = ("buyers", "c_anna", DAY - timedelta(30), None)
    shop.orders |= {
        "o0": Order("c_anna", DAY - timedelta(30)),
        "o1": Order("c_anna"),
        "o9": Order("c_anna"),
    }
    recorded = shop.publish(NEXT)

    assert (recorded.renamed, recorded.replaced, recorded.added) == (1, 0, 0)
    assert shop.published_on(DAY) == [("buyers", "c_anna"), ("buyers", "c_bob")]
    assert shop.corrections() == [("o0", "c_anna", "late_order"), ("o9", "c_anna", "amount")]
    assert shop.differences(DAY) == []
    assert shop.ask("SELECT earlier_key, customer_key, id_value FROM customer_key_changes") == [
        ("c_ann", "c_anna", None)
    ]


def key_changes(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.ask(
        "SELECT earlier_key, customer_key, id_type, id_value FROM customer_key_changes ORDER BY ALL"
    )


def keys(shop: Shop, **customers: str) -> None:
    """Publish customers by key, each known by so many addresses and accounts."""
    shop.periods, shop.orders, shop.known = [], {}, set(customers)
    shop.identities = [
        (
            key,
            "phone" if word[0] == "+" else "email" if "@" in word else "customer_id",
            word,
        )
        for key, words in customers.items()
        for word in words.split()
    ]
    shop.publish()


def test_keys_are_followed_through_renames_and_merges(shop: Shop) -> None:
    keys(shop, c_1="a@x 1", c_2="b@x 2", c_3="c@x")
    keys(shop, c_4="a@x 1 z@x", c_2="b@x 2", c_3="c@x")
    assert key_changes(shop) == [("c_1", "c_4", None, None)]
    keys(shop, c_2="a@x 1 z@x b@x 2", c_3="c@x")
    assert key_changes(shop) == [("c_1", "c_2", None, None), ("c_4", "c_2", None, None)]
    # Nothing changed: nothing more is known, and nothing is forgotten.
    keys(shop, c_2="a@x 1 z@x b@x 2", c_3="c@x")
    assert len(key_changes(shop)) == 2
    # Only the account is the same: the address was changed in its place.
    keys(shop, c_5="new@x 2", c_3="c@x")
    assert key_changes(shop) == [
        ("c_1", "c_5", None, None),
        ("c_2", "c_5", None, None),
        ("c_4", "c_5", None, None),
    ]
    # Whoever is gone, is gone under every key.
    keys(shop, c_3="c@x")
    assert key_changes(shop) == []


def test_a_key_that_comes_back_is_no_earlier_key(shop: Shop) -> None:
    keys(shop, c_1="a@x")
    keys(shop, c_2="a@x b@x")
    keys(shop, c_1="a@x")
    assert key_changes(shop) == [("c_2", "c_1", None, None)]


def test_a_split_says_whose_each_contact_is(shop: Shop) -> None:
    keys(shop, c_1="a@x +1 1 b@x +2 2")
    keys(shop, c_1="a@x +1 1", c_2="b@x +2 2")
    split = [("c_1", "c_2", "email", "b@x"), ("c_1", "c_2", "phone", "+2")]
    assert key_changes(shop) == split
    keys(shop, c_3="a@x +1 1", c_4="b@x +2 2")
    assert key_changes(shop) == [
        ("c_1", "c_3", None, None),
        ("c_1", "c_4", "email", "b@x"),
        ("c_1", "c_4", "phone", "+2"),
        ("c_2", "c_4", None, None),
    ]
    # Together again: one of the two keys goes, and everything of both is the other's.
    keys(shop, c_3="a@x +1 1 b@x +2 2")
    assert key_changes(shop) == [(key, "c_3", None, None) for key in ("c_1", "c_2", "c_4")]


def test_a_rename_before_a_split_is_not_forgotten(shop: Shop) -> None:
    keys(shop, c_1="a@x 1 b@x")
    keys(shop, c_2="a@x 1 b@x z@x")
    keys(shop, c_2="a@x 1 z@x", c_3="b@x")
    assert key_changes(shop) == [
        ("c_1", "c_2", None, None),
        ("c_1", "c_3", "email", "b@x"),
        ("c_2", "c_3", "email", "b@x"),
    ]


def test_a_phone_of_several_leads_to_nobody(shop: Shop) -> None:
    keys(shop, c_1="+1")
    keys(shop, c_2="+1 a@x", c_3="+1 b@x")
    assert key_changes(shop) == []
    # One of them has it alone now, who had it before.
    keys(shop, c_2="+1 a@x", c_3="b@x")
    assert key_changes(shop) == []


def test_who_asks_to_be_forgotten_is_followed_until_they_are(shop: Shop) -> None:
    keys(shop, c_1="a@x", c_9="z@x")
    # No identifier of theirs is published from now on; their key changed in the same night.
    shop.erasures = [("c_2", DAY, "email", "a@x")]
    keys(shop, c_2="", c_9="z@x")
    assert key_changes(shop) == [("c_1", "c_2", None, None)]
    shop.erasures = []
    keys(shop, c_3="", c_9="z@x")
    assert key_changes(shop) == []
    assert b"c_1" not in shop.published.read_bytes()


def test_the_key_of_an_address_to_be_forgotten_is_not_kept(shop: Shop) -> None:
    keys(shop, c_1="a@x 1")
    keys(shop, c_2="b@x 1")
    shop.erasures = [("c_1", DAY, "email", "a@x")]
    keys(shop, c_2="b@x 1")
    assert key_changes(shop) == []


def test_a_file_from_before_keys_were_followed_keeps_its_history(shop: Shop) -> None:
    shop.publish()
    shop.published.chmod(0o644)
    with duckdb.connect(str(shop.published)) as con:
        con.execute("DROP TABLE customer_key_changes")
    recorded = shop.publish(NEXT)
    assert (recorded.started, recorded.publications) == (None, 2)
    assert key_changes(shop) == []
