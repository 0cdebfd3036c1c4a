"""From the physical lines of a CSV file to staged rows and malformed rows.

The grammar is RFC 4180, with two concessions any reader makes: a quote inside an unquoted field is
a plain character (`5" pipe`), and blank lines are no rows. Everything else that is not a row with
as many fields as the header becomes a malformed row with its line number; nothing is guessed and
nothing is dropped.

A field may contain line ends, so records are found first. Every line maps the state before it
(outside or inside a quoted field) to the state after it; lines without a quote keep the state. Only
files that have a line which opens a field without closing it pay for this.

A quote that is never closed would swallow every row behind it. So when a record of several lines
is malformed and one of the swallowed lines is a good row by itself, all its lines are judged alone:
only the broken one is rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources.base import MALFORMED_ROWS, STAGED_ROWS
from dagster_project.sources.errors import LoadError
from dagster_project.sources.physical_lines import LINES, NOT_UTF8
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

_SPANNED = "spanned_lines"
_SPANNING = "spanning_records"

_STRICT_FIELD = r"""(?:"(?:[^"]|"")*"|[^",]*)"""
_FIELD = r"""(?:"(?:[^"]|"")*"|[^",][^,]*|)"""
_INSIDE = r"""(?:[^"]|"")*"""

_STRICT_RECORD = literal(f"{_STRICT_FIELD}(?:,{_STRICT_FIELD})*")
_RECORD = literal(f"{_FIELD}(?:,{_FIELD})*")
_OPENS = literal(f'(?:{_FIELD},)*"{_INSIDE}')
_CONTINUES = literal(_INSIDE)
_CLOSES_AND_OPENS = literal(f'{_INSIDE}"(?:,{_FIELD})*,"{_INSIDE}')
_EACH_FIELD = literal(r"""(?:^|,)("(?:[^"]|"")*"|[^",][^,]*|)""")

# The mark of undecodable bytes is free to separate fields: lines that hold it are rejected first.
_SEPARATOR = f"chr({ord(NOT_UTF8)})"


def _fields(record: str) -> str:
    """SQL: the list of unquoted fields of `record`, NULL when its quoting is wrong.

    Splitting at quotes makes the odd parts lie outside of quoted fields and the even ones inside;
    an empty odd part between two others is a doubled quote (the comma at the end keeps the last
    part from being empty). That is ten times as fast as a regular expression with captures, which
    only the concession for stray quotes needs.
    """
    return f"""
      CASE
        WHEN contains({record}, {_SEPARATOR}) THEN NULL
        WHEN NOT contains({record}, '"') THEN string_split({record}, ',')
        WHEN regexp_full_match({record}, {_STRICT_RECORD}) THEN string_split(
          array_to_string(
            list_transform(
              string_split({record} || ',', '"'),
              lambda part, i: CASE
                WHEN i % 2 = 0 THEN part
                WHEN part = '' AND i > 1 THEN '"'
                ELSE replace(part, ',', {_SEPARATOR})
              END
            ),
            ''
          ),
          {_SEPARATOR}
        )[:-2]
        WHEN regexp_full_match({record}, {_RECORD}) THEN list_transform(
          regexp_extract_all({record}, {_EACH_FIELD}, 1),
          lambda field: CASE
            WHEN starts_with(field, '"') THEN replace(field[2:-2], '""', '"')
            ELSE field
          END
        )
      END"""


def stage_rows(
    con: DuckDBPyConnection,
    file_no: int,
    slots: Sequence[str | None],
    *,
    rows: str = STAGED_ROWS,
    malformed: str = MALFORMED_ROWS,
) -> None:
    """Move the lines of one file to `rows` and `malformed`; an empty field becomes NULL.

    `slots` names the column of every field, in the order of the header; a field without one is not
    kept.
    """
    width = len(slots)
    source = _find_records(con, width)
    kept = [(slot, f"nullif(fields[{i}], '')") for i, slot in enumerate(slots, start=1) if slot]
    columns = ", ".join(identifier(slot) for slot, _ in kept)
    values = ", ".join(value for _, value in kept)
    # Nothing keeps the fields: the 79 of each of two million lines were 2.5 GB. So a record that is
    # no row becomes one without a file for a moment; a filter would split every record twice.
    con.execute(
        f"""
        INSERT INTO {rows} (file_no, source_line, {columns})
        SELECT CASE WHEN len(fields) = {width} THEN {file_no} END, line_no, {values}
        FROM (SELECT line_no, {_fields("line")} AS fields FROM {source} WHERE line <> '')
        """
    )
    unplaced = f"SELECT source_line AS line_no FROM {rows} WHERE file_no IS NULL"
    if con.execute(f"{unplaced} LIMIT 1").fetchone() is not None:
        _explain(con, file_no, width, f"{source} SEMI JOIN ({unplaced}) USING (line_no)", malformed)
        con.execute(f"DELETE FROM {rows} WHERE file_no IS NULL")
    for temporary in (_SPANNING, _SPANNED, LINES):
        con.execute(f"DROP TABLE IF EXISTS {temporary}")


def _explain(
    con: DuckDBPyConnection, file_no: int, width: int, records: str, malformed: str
) -> None:
    """Say of records that are no rows (SQL for line_no, line) what is wrong, in `malformed`."""
    con.execute(
        f"""
        INSERT INTO {malformed}
        SELECT
          {file_no},
          line_no,
          CASE
            WHEN contains(line, {_SEPARATOR}) THEN 'the line is not valid UTF-8'
            WHEN fields IS NULL THEN 'the line has a badly quoted field'
            WHEN len(fields) < {width} THEN 'the line has fewer fields than the header'
            ELSE 'the line has more fields than the header'
          END,
          to_json(replace(line, {_SEPARATOR}, chr(65533)))
        FROM (
          SELECT line_no, line, {_fields("line")} AS fields FROM {records}
        )
        """
    )


def require_whole(
    con: DuckDBPyConnection,
    file_no: int,
    shown: str,
    *,
    rows: str = STAGED_ROWS,
    malformed: str = MALFORMED_ROWS,
) -> None:
    """Refuse a file whose last row is none: what came behind it is missing too.

    Raises:
        LoadError: it ends in the middle of a row.
    """
    row = con.execute(
        f"""
        SELECT max(source_line), (SELECT max(source_line) FROM {rows} WHERE file_no = {file_no})
        FROM {malformed} WHERE file_no = {file_no}
        """
    ).fetchone()
    broken, good = row or (None, None)
    if broken is not None and broken > (good or 0):
        message = (
            f"{shown} ends in the middle of a row (line {broken}), so rows are missing behind it: "
            "the export or its download was cut off; export it again"
        )
        raise LoadError(message)


def _find_records(con: DuckDBPyConnection, width: int) -> str:
    """SQL for one record a row (line_no, line): the lines, when every record is one line."""
    opens = f"""contains(line, '"') AND NOT regexp_full_match(line, {_RECORD})
                AND regexp_full_match(line, {_OPENS})"""
    if con.execute(f"SELECT 1 FROM {LINES} WHERE {opens} LIMIT 1").fetchone() is None:
        return LINES
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_SPANNED} AS
        WITH effects AS (
          SELECT
            line_no,
            CASE WHEN {opens} THEN 1 ELSE 0 END AS from_outside,
            CASE
              WHEN regexp_full_match(line, {_CONTINUES})
                OR regexp_full_match(line, {_CLOSES_AND_OPENS}) THEN 1
              ELSE 0
            END AS from_inside
          FROM {LINES}
          WHERE contains(line, '"')
        ),
        -- A line with one outcome whatever came before it fixes the state for those behind it.
        runs AS (
          SELECT *, sum((from_outside = from_inside)::INTEGER) OVER (ORDER BY line_no) AS run
          FROM effects
        ),
        states AS (
          SELECT
            line_no,
            (
              max(CASE WHEN from_outside = from_inside THEN from_inside ELSE 0 END) OVER in_run
              + sum((from_outside > from_inside)::INTEGER) OVER in_run
            ) % 2 AS inside_after
          FROM runs
          WINDOW in_run AS (PARTITION BY run ORDER BY line_no)
        ),
        steps AS (
          SELECT *, lag(inside_after, 1, 0) OVER (ORDER BY line_no) AS inside_before FROM states
        ),
        borders AS (
          SELECT *, lead(line_no) OVER (ORDER BY line_no) AS next_border
          FROM steps
          WHERE inside_after <> inside_before
        ),
        spans AS (
          SELECT
            line_no AS first_line,
            coalesce(next_border, (SELECT max(line_no) FROM {LINES})) AS last_line
          FROM borders
          WHERE inside_before = 0
        )
        SELECT lines.line_no, lines.line, spans.first_line
        FROM {LINES} AS lines
        ASOF JOIN spans ON lines.line_no >= spans.first_line
        WHERE lines.line_no <= spans.last_line
        """
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_SPANNING} AS
        WITH joined AS (
          SELECT
            first_line AS line_no,
            string_agg(spanned.line, chr(10) ORDER BY spanned.line_no) AS line
          FROM {_SPANNED} AS spanned
          GROUP BY first_line
        ),
        broken AS (
          SELECT line_no AS first_line
          FROM joined
          WHERE coalesce(len({_fields("line")}) <> {width}, true)
        ),
        swallowers AS (
          SELECT first_line AS line_no
          FROM {_SPANNED} SEMI JOIN broken USING (first_line)
          WHERE line_no > first_line AND len({_fields("line")}) = {width}
        )
        FROM joined ANTI JOIN swallowers USING (line_no)
        """
    )
    return f"""(
      SELECT line_no, line FROM {LINES} ANTI JOIN (
        SELECT spanned.line_no FROM {_SPANNED} AS spanned
        SEMI JOIN {_SPANNING} AS spanning ON spanning.line_no = spanned.first_line
      ) AS joined USING (line_no)
      UNION ALL
      FROM {_SPANNING}
    )"""
