"""Two pictures of the segments, compared: who is in another one, and which rules differ."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from duckdb import DuckDBPyConnection

LIFECYCLE: tuple[str, ...] = (
    *(f"{state}_{tier}" for state in ("active", "churning", "lapsed") for tier in (
        "single", "multi", "hvc")),
    "non_buyer",
)  # fmt: skip
"""The segments of which everybody is in exactly one."""

NOT_KNOWN = "(not known)"
"""Stands for the lifecycle segment of somebody whom one of the two pictures does not know."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Members of one segment before and after; a status is None where there is no such segment."""

    segment: str
    before: int
    after: int
    left: int
    joined: int
    status_before: str | None
    status_after: str | None
    reason: str | None

    @property
    def note(self) -> str:
        """What is to be said about the segment besides its numbers; often nothing."""
        if self.status_before == self.status_after:
            return ""
        if self.status_before is None:
            status = "" if self.status_after == "available" else f", {self.status_after}"
            return f"appears{status}"
        if self.status_after is None:
            return "disappears"
        return f"becomes {self.status_after}" + (f": {self.reason}" if self.reason else "")

    @property
    def moves(self) -> bool:
        """Whether anything differs."""
        return bool(self.left or self.joined or self.note)


@dataclass(frozen=True, slots=True)
class Moves:
    """The answer.

    Attributes:
        publication_id: the picture that was compared with.
        as_of: shop-local day of that picture, for which the models were built.
        day: shop-local day whose members are compared.
        variables: variables that were given, beside those of the working tree.
        parameters: values of segment parameters that differ: name, before, after.
        segments: every segment of either picture.
        lifecycle: customers by lifecycle segment before and after, where these differ.
        newer_orders: orders that differ from the published ones whatever the rules are.
    """

    publication_id: str
    as_of: date
    day: date
    variables: dict[str, Any]
    parameters: tuple[tuple[str, Any, Any], ...]
    segments: tuple[Segment, ...]
    lifecycle: tuple[tuple[str, str, int], ...]
    newer_orders: int

    def any(self) -> bool:
        """Whether somebody moves, or a segment appears, disappears or changes its status."""
        return any(segment.moves for segment in self.segments)


def compare(con: DuckDBPyConnection, day: date, variables: dict[str, Any]) -> Moves:
    """Compare database `published` (before) with schema `marts` of `warehouse` (after) on `day`."""
    about = con.execute("SELECT publication_id, as_of FROM published.main.publication").fetchone()
    publication_id, as_of = about or ("", day)
    con.execute(
        f"""
        CREATE TEMP TABLE memberships AS
        SELECT segment, customer_key, bool_or(is_before) AS was, bool_or(NOT is_before) AS is_now
        FROM (
            SELECT *, true AS is_before FROM ({_members("published.main", day == as_of)})
            UNION ALL
            SELECT *, false FROM ({_members("warehouse.marts", day == as_of)})
        )
        GROUP BY segment, customer_key
        """,
        {"day": day},
    )
    segments = con.execute(_SEGMENTS).fetchall()
    lifecycle = con.execute(
        _LIFECYCLE, {"lifecycle": list(LIFECYCLE), "not_known": NOT_KNOWN}
    ).fetchall()
    return Moves(
        publication_id=str(publication_id),
        as_of=as_of,
        day=day,
        variables=variables,
        parameters=_parameters(con),
        segments=tuple(Segment(*row) for row in segments),
        lifecycle=tuple((str(f), str(t), int(n)) for f, t, n in lifecycle),
        newer_orders=_newer_orders(con),
    )


def _members(schema: str, is_today: bool) -> str:
    if is_today:
        return f"SELECT segment, customer_key FROM {schema}.segment_members WHERE as_of = $day"
    return (
        f"SELECT segment, customer_key FROM {schema}.segment_periods "
        "WHERE entered_on <= $day AND (exited_on IS NULL OR exited_on > $day)"
    )


def _parameters(con: DuckDBPyConnection) -> tuple[tuple[str, Any, Any], ...]:
    """What differs between the parameters of the two catalogs, by name."""
    before, after = (
        {
            name: value
            for (text,) in con.execute(
                f"SELECT parameters FROM {schema}.segment_catalog"
            ).fetchall()
            for name, value in json.loads(text or "{}").items()
        }
        for schema in ("published.main", "warehouse.marts")
    )
    return tuple(
        (name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _newer_orders(con: DuckDBPyConnection) -> int:
    # What the source says of an order under any rules.
    facts = "order_id, hash(ordered_at, total_amount, refunded_amount, financial_status) AS facts"
    row = con.execute(
        f"""
        SELECT count(*)
        FROM (SELECT {facts} FROM published.main.orders) AS before
        FULL JOIN (SELECT {facts} FROM warehouse.marts.orders) AS after USING (order_id)
        WHERE before.facts IS DISTINCT FROM after.facts
        """
    ).fetchone()
    return int(row[0]) if row else 0


_SEGMENTS = """
SELECT
    segment,
    coalesce(members.before, 0),
    coalesce(members.after, 0),
    coalesce(members.left_it, 0),
    coalesce(members.joined, 0),
    before.status,
    after.status,
    after.reason
FROM (SELECT segment, status, row_number() OVER () AS place FROM published.main.segment_catalog)
    AS before
FULL JOIN (
    SELECT segment, status, reason, row_number() OVER () AS place
    FROM warehouse.marts.segment_catalog
) AS after USING (segment)
LEFT JOIN (
    SELECT
        segment,
        count(*) FILTER (WHERE was) AS before,
        count(*) FILTER (WHERE is_now) AS after,
        count(*) FILTER (WHERE NOT is_now) AS left_it,
        count(*) FILTER (WHERE NOT was) AS joined
    FROM memberships
    GROUP BY segment
) AS members USING (segment)
ORDER BY coalesce(after.place, before.place), segment
"""

_LIFECYCLE = """
SELECT was_in, is_in, count(*) AS customers
FROM (
    SELECT
        customer_key,
        coalesce(any_value(segment) FILTER (WHERE was), $not_known) AS was_in,
        coalesce(any_value(segment) FILTER (WHERE is_now), $not_known) AS is_in
    FROM memberships
    WHERE list_contains($lifecycle, segment)
    GROUP BY customer_key
)
WHERE was_in <> is_in
GROUP BY was_in, is_in
ORDER BY customers DESC, was_in, is_in
"""
