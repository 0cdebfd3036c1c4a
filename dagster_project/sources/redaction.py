"""What stays of a staged row that names somebody who was forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources.base import STAGED_ROWS, canonical_slot, extra_slot
from dagster_project.sources.contract import IDENTIFIERS, Kind
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from dagster_project.sources.base import Staged
    from dagster_project.sources.contract import Table

PSEUDONYM = "forgotten-"
"""How the account id of a forgotten person begins; the rest is a UUID."""

FORGOTTEN_ROWS = "forgotten_rows"
"""Temporary table (file_no, source_line, is_theirs, and per identifying column of the contract the
keyed hash, NULL unless it is one of somebody forgotten)."""


def identifying(table: Table, staged: Staged) -> dict[str, str]:
    """The columns of the staged rows that name a person, with the type of identifier they hold."""
    names = {column.name for column in table.columns} & set(staged.present)
    return {name: kind for name, kind in IDENTIFIERS.items() if name in names}


def redactions(table: Table, staged: Staged) -> list[str]:
    """SQL statements that leave of the rows in `FORGOTTEN_ROWS` what may stay."""
    if not table.impersonal:
        return _update(_identifiers_alone(table, staged), "true")
    phone_alone = {canonical_slot("phone"): "NULL"} if "phone" in staged.present else {}
    return [
        *_update(_impersonal(table, staged), "is_theirs"),
        *_update(phone_alone, "NOT is_theirs AND found.phone IS NOT NULL"),
    ]


def _update(values: dict[str, str], which: str) -> list[str]:
    if not values:
        return []
    changes = ", ".join(f"{identifier(slot)} = {sql}" for slot, sql in values.items())
    statement = (
        f"UPDATE {STAGED_ROWS} AS staged SET {changes} FROM {FORGOTTEN_ROWS} AS found "
        "WHERE staged.file_no = found.file_no AND staged.source_line = found.source_line "
        f"AND {which}"
    )
    return [statement]


def _impersonal(table: Table, staged: Staged) -> dict[str, str]:
    """What the columns of a row of somebody forgotten become."""
    values = {canonical_slot(c): "NULL" for c in staged.present if c not in table.impersonal}
    values |= _no_extras(staged)
    person = "coalesce(found.email, found.customer_id, found.phone)"
    if table.key == ("customer_id",):
        # One row an account: two accounts of one person stay two until pseudonyms are joined.
        person = f"customer_identifier({_value('customer_id')})"
    values[canonical_slot("customer_id")] = _pseudonym(person)
    if "tags" in table.impersonal and "tags" in staged.present:
        values[canonical_slot("tags")] = (
            f"array_to_string(list_filter(string_split({_value('tags')}, ','), "
            "lambda tag: NOT contains(tag, '@')), ',')"
        )
    return values


def _identifiers_alone(table: Table, staged: Staged) -> dict[str, str]:
    """The same for a row that lists identifiers: those of somebody else stay, words do not."""
    columns = identifying(table, staged)
    words = [c for c in staged.present if c not in columns and table.column(c).kind is Kind.TEXT]
    values = {canonical_slot(c): "NULL" for c in words} | _no_extras(staged)
    for name, kind in columns.items():
        instead = _pseudonym(f"found.{name}") if kind == "customer_id" else "NULL"
        values[canonical_slot(name)] = (
            f"CASE WHEN found.{name} IS NULL THEN {_value(name)} ELSE {instead} END"
        )
    if "customer_id" in columns:
        person = _pseudonym("coalesce(found.customer_id, found.email, found.phone)")
        values[canonical_slot("customer_id")] = (
            f"CASE WHEN found.customer_id IS NULL AND trim({_value('customer_id')}) <> '' "
            f"THEN {_value('customer_id')} ELSE {person} END"
        )
    return values


def _value(name: str) -> str:
    return f"staged.{identifier(canonical_slot(name))}"


def _pseudonym(person: str) -> str:
    return f"{literal(PSEUDONYM)} || {person}::VARCHAR"


def _no_extras(staged: Staged) -> dict[str, str]:
    return {extra_slot(position): "NULL" for position in range(len(staged.extras))}
