"""Phone numbers in E.164, for SQL to join on.

The rules for phone numbers live in a library that has no SQL form, so every distinct text is parsed
once in Python and remembered in `raw.phone_numbers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import phonenumbers

from dagster_project.sources.contract import TABLES
from dagster_project.sources.raw_tables import KNOWN_PHONES, ensure_bookkeeping, loaded_tables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class PhoneResult:
    """`new` texts were parsed in this run; `valid` and `invalid` count all that are in use."""

    new: int
    valid: int
    invalid: int


def to_e164(text: str, region: str) -> str | None:
    """`text` in E.164, or None when it is not a valid number.

    A number without a country code belongs to `region` (ISO 3166-1 alpha-2).
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def normalise_phones(con: DuckDBPyConnection, region: str) -> PhoneResult:
    """Bring `raw.phone_numbers` in line with the phones in schema `raw`.

    One row per distinct text; `e164` is NULL for a text that is no valid number. Texts that are
    already known for `region` are not parsed again, texts no table holds any more are forgotten.
    """
    ensure_bookkeeping(con)
    loaded = loaded_tables(con)
    tables = [
        table.name
        for table in TABLES
        if table.name in loaded and any(column.name == "phone" for column in table.columns)
    ]
    used = " UNION ".join(f"SELECT phone FROM raw.{name}" for name in tables)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE phones_in_use AS "
        f"SELECT phone FROM ({used or 'SELECT NULL::VARCHAR AS phone'}) WHERE phone IS NOT NULL"
    )
    new = [
        str(row[0])
        for row in con.execute(
            "SELECT phone FROM phones_in_use ANTI JOIN "
            f"(SELECT phone FROM {KNOWN_PHONES} WHERE region = ?) USING (phone)",
            [region],
        ).fetchall()
    ]
    parsed = [to_e164(text, region) for text in new]
    con.begin()
    try:
        con.execute(
            f"DELETE FROM {KNOWN_PHONES} "
            "WHERE region IS DISTINCT FROM ? OR phone NOT IN (FROM phones_in_use)",
            [region],
        )
        con.execute(
            f"INSERT INTO {KNOWN_PHONES} SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), ?",
            [new, parsed, region],
        )
    except BaseException:
        con.rollback()
        raise
    con.commit()
    con.execute("DROP TABLE phones_in_use")
    counts = con.execute(f"SELECT count(e164), count(*) - count(e164) FROM {KNOWN_PHONES}")
    valid, invalid = counts.fetchone() or (0, 0)
    return PhoneResult(new=len(new), valid=int(valid), invalid=int(invalid))
