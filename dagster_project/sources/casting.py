r"""SQL that types one text value, and the words for a value that cannot be typed.

Every expression yields NULL for a value it does not understand; it never guesses. `1,234.50` is no
number (a thousand or a decimal comma?), `01/02/2026` no date (January or February?).
"""

from __future__ import annotations

from dagster_project.sources.contract import Column, Kind
from dagster_project.sources.sql import literal

# Years of four digits without a leading zero: 0001-01-01 is how programs write "never".
_DAY = r"[1-9]\d{3}-\d{2}-\d{2}"
_CLOCK_TO_SECONDS = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
_OFFSET = r"[+-](?:0\d|1[0-5])(?::?[0-5]\d)?"
_EXACT = literal(rf"{_DAY}[T ]{_CLOCK_TO_SECONDS}(?:Z|{_OFFSET})")
_ONLY_DAY = literal(_DAY)
_NAIVE = literal(f"{_DAY}(?:[T ]{_CLOCK})?")
_ZULU = literal(f"{_DAY}[T ]{_CLOCK} ?(?:Z|UTC|GMT)")
_SHIFTED = literal(f"{_DAY}[T ]{_CLOCK} ?{_OFFSET}")
_WALL_CLOCK = literal(f"^{_DAY}[T ]{_CLOCK}")
_NUMBER = literal(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")

_TRUE = "('true', 't', 'yes', 'y', '1')"
_FALSE = "('false', 'f', 'no', 'n', '0')"


def filled(text: str) -> str:
    """SQL: `text` without surrounding blanks, NULL when nothing is left."""
    return f"nullif(trim({text}), '')"


def typed(column: Column, value: str, shop_timezone: str) -> str:
    """SQL: the value of `column` in `value`, NULL when that is NULL or cannot be understood.

    `value` has no surrounding blanks (see `filled`).
    """
    expressions = {
        Kind.TEXT: value,
        Kind.WORD: _word(value, column.words),
        Kind.CURRENCY: f"CASE WHEN {is_currency(value)} THEN upper({value}) END",
        Kind.FLAG: _flag(value),
        Kind.INSTANT: _instant(value, shop_timezone),
        Kind.DAY: _day(value, shop_timezone),
        Kind.INTEGER: _whole(value),
        Kind.RATE: _above_zero(value, column.kind.sql_type),
    }
    return expressions.get(column.kind) or _number(value, column.kind.sql_type)


def is_currency(value: str) -> str:
    """SQL: whether `value` looks like a code of ISO 4217."""
    return f"regexp_full_match({value}, '[A-Za-z]{{3}}')"


def _word(value: str, words: tuple[str, ...]) -> str:
    return f"CASE WHEN lower({value}) IN ({', '.join(map(literal, words))}) THEN lower({value}) END"


def _flag(value: str) -> str:
    return (
        f"CASE WHEN lower({value}) IN {_TRUE} THEN true "
        f"WHEN lower({value}) IN {_FALSE} THEN false END"
    )


def _day(value: str, shop_timezone: str) -> str:
    """SQL: a calendar day; of a point in time it is the shop-local one."""
    local = f"timezone({literal(shop_timezone)}, {_instant(value, shop_timezone)})::DATE"
    return (
        f"CASE WHEN regexp_full_match({value}, {_ONLY_DAY}) THEN TRY_CAST({value} AS DATE) "
        f"ELSE {local} END"
    )


def _whole(value: str) -> str:
    exact = f"TRY_CAST({value} AS DECIMAL(18,4))"
    return (
        f"CASE WHEN regexp_full_match({value}, {_NUMBER}) AND {exact} = trunc({exact}) "
        f"THEN TRY_CAST({exact} AS INTEGER) END"
    )


def _number(value: str, sql_type: str) -> str:
    return (
        f"CASE WHEN regexp_full_match({value}, {_NUMBER}) THEN TRY_CAST({value} AS {sql_type}) END"
    )


def _above_zero(value: str, sql_type: str) -> str:
    number = _number(value, sql_type)
    return f"CASE WHEN {number} > 0 THEN {number} END"


def _instant(value: str, shop_timezone: str) -> str:
    """SQL: a point in time; without an offset it is shop-local.

    A wall-clock time the spring change skips is read as if the clocks had not changed yet, one the
    autumn change repeats is its second occurrence. Neither moves the shop-local date.
    """
    wall_clock = f"TRY_CAST(regexp_extract({value}, {_WALL_CLOCK}) AS TIMESTAMP)"
    offset = f"regexp_extract({value}, '[+-][0-9:]+$')"
    digits = f"rpad(replace({offset}[2:], ':', ''), 4, '0')"
    minutes = (
        f"(CASE WHEN starts_with({offset}, '-') THEN -1 ELSE 1 END)"
        f" * ({digits}[1:2]::INTEGER * 60 + {digits}[3:4]::INTEGER)"
    )
    # The first form is what nearly every file holds, and DuckDB reads it without further work.
    return f"""CASE
      WHEN regexp_full_match({value}, {_EXACT}) THEN TRY_CAST({value} AS TIMESTAMPTZ)
      WHEN regexp_full_match({value}, {_ZULU}) THEN timezone('UTC', {wall_clock})
      WHEN regexp_full_match({value}, {_NAIVE})
        THEN timezone({literal(shop_timezone)}, TRY_CAST({value} AS TIMESTAMP))
      WHEN regexp_full_match({value}, {_SHIFTED})
        THEN timezone('UTC', {wall_clock} - to_minutes({minutes}))
    END"""


_COMPLAINTS = {
    Kind.CURRENCY: "is not a currency of three letters",
    Kind.RATE: "is not a number above 0",
    Kind.FLAG: "is not true or false",
    Kind.INSTANT: "is not a timestamp",
    Kind.DAY: "is not a date",
    Kind.INTEGER: "is not a whole number",
}


def complaint(column: Column) -> str:
    """What is wrong with a value of `column` that is there and cannot be typed."""
    if column.kind is Kind.WORD:
        return "is not one of " + ", ".join(column.words)
    return _COMPLAINTS.get(column.kind, "is not a number")
