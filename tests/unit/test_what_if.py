"""Two small pictures compared, and how the answer reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date

import duckdb
import pytest
from rich.console import Console

from dagster_project.what_if_moves import NOT_KNOWN, Moves, Segment, compare
from dagster_project.what_if_report import as_json, as_markdown, as_tables

DAY = date(2026, 11, 21)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Both pictures, empty."""
    with duckdb.connect() as con:
        for schema in ("published.main", "warehouse.marts"):
            con.execute(f"ATTACH ':memory:' AS {schema.split('.')[0]}")
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            con.execute(
                f"CREATE TABLE {schema}.segment_members (segment VARCHAR, customer_key VARCHAR, "
                "as_of DATE)"
            )
            con.execute(
                f"CREATE TABLE {schema}.segment_periods (segment VARCHAR, customer_key VARCHAR, "
                "entered_on DATE, exited_on DATE)"
            )
            con.execute(
                f"CREATE TABLE {schema}.segment_catalog (segment VARCHAR, status VARCHAR, "
                "reason VARCHAR, parameters VARCHAR)"
            )
            con.execute(
                f"CREATE TABLE {schema}.orders (order_id VARCHAR, ordered_at TIMESTAMPTZ, "
                "total_amount DECIMAL(18, 2), refunded_amount DECIMAL(18, 2), "
                "financial_status VARCHAR)"
            )
        con.execute(
            f"CREATE TABLE published.main.publication AS SELECT 'p-1' AS publication_id, "
            f"DATE '{DAY}' AS as_of"
        )
        yield con


def fill(con: duckdb.DuckDBPyConnection, schema: str, **segments: set[str]) -> None:
    for segment, customers in segments.items():
        for customer in customers:
            con.execute(
                f"INSERT INTO {schema}.segment_members VALUES (?, ?, ?)", [segment, customer, DAY]
            )


def catalog(con: duckdb.DuckDBPyConnection, schema: str, *rows: tuple[str, str, str]) -> None:
    for segment, status, parameters in rows:
        reason = None if status == "available" else "the source has no costs"
        con.execute(
            f"INSERT INTO {schema}.segment_catalog VALUES (?, ?, ?, ?)",
            [segment, status, reason, parameters],
        )


def found(moves: Moves) -> dict[str, tuple[int, int, int, int, str]]:
    return {
        s.segment: (s.before, s.after, s.left, s.joined, s.note) for s in moves.segments if s.moves
    }


def test_two_empty_pictures_do_not_differ(con: duckdb.DuckDBPyConnection) -> None:
    moves = compare(con, DAY, {})
    assert not moves.any()
    assert (moves.publication_id, moves.as_of, moves.day) == ("p-1", DAY, DAY)


def test_who_leaves_and_joins_is_counted_even_when_the_size_stays(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for schema in ("published.main", "warehouse.marts"):
        catalog(con, schema, ("a", "available", "{}"), ("b", "available", "{}"))
    fill(con, "published.main", a={"1", "2"}, b={"3"})
    fill(con, "warehouse.marts", a={"2", "4"}, b={"3"})
    assert found(compare(con, DAY, {})) == {"a": (2, 2, 1, 1, "")}


def test_segments_appear_disappear_and_become_unavailable(con: duckdb.DuckDBPyConnection) -> None:
    catalog(
        con,
        "published.main",
        ("gone", "available", "{}"),
        ("lost", "available", "{}"),
        ("back", "unavailable", "{}"),
        ("never", "unavailable", "{}"),
        ("short", "available", "{}"),
    )
    catalog(
        con,
        "warehouse.marts",
        ("lost", "unavailable", "{}"),
        ("back", "available", "{}"),
        ("never", "unavailable", "{}"),
        ("empty", "available", "{}"),
        ("closed", "unavailable", "{}"),
        ("short", "left_censored", "{}"),
        ("begun", "left_censored", "{}"),
    )
    fill(con, "published.main", gone={"1"}, lost={"1"})
    fill(con, "warehouse.marts", back={"1"})
    moves = compare(con, DAY, {})
    assert moves.any()
    assert found(moves) == {
        "gone": (1, 0, 1, 0, "disappears"),
        "lost": (1, 0, 1, 0, "becomes unavailable: the source has no costs"),
        "back": (0, 1, 0, 1, "becomes available"),
        "empty": (0, 0, 0, 0, "appears"),
        "closed": (0, 0, 0, 0, "appears, unavailable"),
        "short": (0, 0, 0, 0, "becomes left_censored: the source has no costs"),
        "begun": (0, 0, 0, 0, "appears, left_censored"),
    }


def test_the_lifecycle_says_from_where_to_where(con: duckdb.DuckDBPyConnection) -> None:
    fill(con, "published.main", active_hvc={"1", "2"}, active_single={"3"}, won_back={"1"})
    fill(con, "warehouse.marts", active_multi={"1", "2"}, active_single={"3"}, non_buyer={"4"})
    assert compare(con, DAY, {}).lifecycle == (
        ("active_hvc", "active_multi", 2),
        (NOT_KNOWN, "non_buyer", 1),
    )


def test_another_day_is_read_from_the_periods(con: duckdb.DuckDBPyConnection) -> None:
    for schema, exited in (("published.main", "2026-06-30"), ("warehouse.marts", "2026-07-01")):
        catalog(con, schema, ("a", "available", "{}"))
        con.execute(
            f"INSERT INTO {schema}.segment_periods VALUES ('a', '1', '2026-06-01', '{exited}')"
        )
    assert found(compare(con, date(2026, 6, 30), {})) == {"a": (0, 1, 0, 1, "")}


def test_the_first_day_of_the_periods_counts_and_the_last_does_not(
    con: duckdb.DuckDBPyConnection,
) -> None:
    catalog(con, "published.main", ("a", "available", "{}"))
    catalog(con, "warehouse.marts", ("a", "available", "{}"))
    con.execute(
        "INSERT INTO published.main.segment_periods VALUES ('a', '1', '2026-06-01', '2026-06-30')"
    )
    con.execute("INSERT INTO warehouse.marts.segment_periods FROM published.main.segment_periods")
    for day, size in (("2026-05-31", 0), ("2026-06-01", 1), ("2026-06-29", 1), ("2026-06-30", 0)):
        (segment,) = compare(con, date.fromisoformat(day), {}).segments
        assert (segment.before, segment.after) == (size, size)
        con.execute("DROP TABLE memberships")


def test_parameters_and_orders_that_differ(con: duckdb.DuckDBPyConnection) -> None:
    catalog(con, "published.main", ("a", "available", '{"days": 180, "old": true}'))
    catalog(con, "warehouse.marts", ("a", "available", '{"days": 150, "new": ["x"]}'))
    for schema in ("published.main", "warehouse.marts"):
        con.execute(f"INSERT INTO {schema}.orders VALUES ('same', NULL, 1, 0, 'paid')")
        amount = 0 if schema == "published.main" else 5
        con.execute(f"INSERT INTO {schema}.orders VALUES ('refund', NULL, 9, {amount}, 'paid')")
    con.execute("INSERT INTO warehouse.marts.orders VALUES ('late', NULL, 1, 0, 'paid')")
    moves = compare(con, DAY, {})
    assert moves.parameters == (("days", 180, 150), ("new", None, ["x"]), ("old", True, None))
    assert moves.newer_orders == 2


ANSWER = Moves(
    publication_id="p-1",
    as_of=DAY,
    day=date(2026, 6, 30),
    variables={"tags": ["a|b"]},
    parameters=(("tags", None, ["a|b"]),),
    segments=(
        Segment("still", 5, 5, 0, 0, "available", "available", None),
        Segment("active_hvc", 12345, 12000, 345, 0, "available", "available", None),
    ),
    lifecycle=(("active_hvc", "active_multi", 345),),
    newer_orders=7,
)


def test_the_answer_for_a_pull_request() -> None:
    assert as_markdown(ANSWER).splitlines() == [
        (
            'The rules of the working tree with tags=["a|b"], compared with what is published '
            "as of 2026-11-21 on 2026-06-30"
        ),
        "",
        "**7 orders of the source differ as well.**",
        "",
        "| parameter | before | after |",
        "| --- | --- | --- |",
        r'| tags | null | ["a\|b"] |',
        "",
        "| segment | before | after | left | joined |  |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        "| active_hvc | 12,345 | 12,000 | 345 | 0 |  |",
        "",
        "| from | to | customers |",
        "| --- | --- | ---: |",
        "| active_hvc | active_multi | 345 |",
    ]


def test_the_answer_for_machines_has_every_segment() -> None:
    answer = json.loads(as_json(ANSWER))
    assert [segment["segment"] for segment in answer["segments"]] == ["still", "active_hvc"]
    assert answer["lifecycle"] == [{"from": "active_hvc", "to": "active_multi", "customers": 345}]
    assert (answer["day"], answer["orders_that_differ"]) == ("2026-06-30", 7)


def test_the_answer_on_a_terminal_has_only_what_moves() -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(*as_tables(ANSWER), sep="\n")
    text = captured.get()
    assert "still" not in text
    assert ["active_hvc", "12,345", "12,000", "345", "0"] in [x.split() for x in text.splitlines()]
    assert '["a|b"]' in text
