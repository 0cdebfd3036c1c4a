"""Erasure from the source's files to the marts: a real load, a real build."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.sources import (
    CanonicalSource,
    LoadOptions,
    join_pseudonyms,
    load,
    normalise_phones,
)
from syncs import SyncSettings, install_keep_out
from tests.dbt.build import build
from tests.support.forgotten import record_forgotten

# Ways in which addresses are written, and texts that are none.
SPELLINGS = [
    "plain@mail.example",
    " Outer@Blanks.example\t",
    "\u00a0no-break@mail.example\u00a0",
    "zero\u200bwidth@mail.example",
    "\ufeffmark@mail.example",
    "soft\u00adhyphen@mail.example",
    "around @ at.example",
    "ÜMLAUT@mail.example",
    "two@ats@mail.example",
    "no-domain@mail",
    "in ner@mail.example",
    "<angle@mail.example>",
    "not an address",
    "a,b@mail.example",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built warehouse: Erin was forgotten and came back, Otto's request is new."""
    folder = tmp_path_factory.mktemp("erasures")
    source, home = folder / "source", folder / "home"
    source.mkdir()
    (source / "customers.csv").write_text(
        "customer_id,email,phone,first_name,email_consent\n"
        "erin-1,erin@mail.example,2025550143,Erin,subscribed\n"
        "erin-2,erin@mail.example,,Erin,subscribed\n"
        "otto-1,otto@mail.example,2025550144,Otto,subscribed\n"
        "ida-1,ida@mail.example,2025550144,Ida,subscribed\n"
    )
    orders = [
        "1,2026-03-01,erin-1,",
        "2,2026-03-02,,erin@mail.example",
        "3,2026-03-03,erin-2,erin.new@mail.example",
        *(f'{i},2026-03-04,,"{text}"' for i, text in enumerate(SPELLINGS, start=100)),
    ]
    (source / "orders.csv").write_text(
        "order_id,ordered_at,customer_id,email,total_amount\n"
        + "".join(f"{row},10\n" for row in orders)
    )
    # Erin's own request is no longer in the files.
    (source / "erasure_requests.csv").write_text(
        "email,requested_at\notto@mail.example,2026-11-20\n"
    )
    record_forgotten(
        home,
        ("customer_id", "erin-1"),
        ("email", "erin@mail.example"),
        ("phone", "+12025550143"),
    )
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        keep_out = install_keep_out(SyncSettings(SEGMENTS_HOME=home), con)
        options = LoadOptions("America/New_York", forgotten_list=keep_out.list_id)
        load(con, CanonicalSource(source), options)
        normalise_phones(con, "US")
        join_pseudonyms(con)
    build(home)
    return home


def query(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_the_list_names_who_asked_and_what_forgotten_people_came_back_with(home: Path) -> None:
    listed = query(home, "select id_type, id_value from marts.erasures order by all")
    assert listed == [
        ("customer_id", "erin-2"),
        ("customer_id", "otto-1"),
        ("email", "erin.new@mail.example"),
        # Not Otto's phone: it is Ida's as well.
        ("email", "otto@mail.example"),
    ]


def test_who_was_forgotten_stays_erased_without_a_request(home: Path) -> None:
    anonymous = query(
        home,
        "select customer_ids, email, phone, first_name, email_consent, email_suppressed, "
        "sms_suppressed, ads_suppressed from marts.customers "
        "join marts.orders using (customer_key) where order_id in ('1', '2') group by all",
    )
    assert anonymous == [([], None, None, None, None, True, True, True)]
    assert (
        query(home, "select 1 from marts.customer_identities where id_value like 'forgotten-%'")
        == []
    )


def test_an_address_is_kept_out_in_the_form_the_models_give_it(home: Path) -> None:
    modelled = dict(query(home, "select order_id, email from staging.stg_orders"))
    with duckdb.connect() as con:
        install_keep_out(SyncSettings(SEGMENTS_HOME=home), con)
        kept_out = {
            str(i): (con.execute("select address_of(?)", [text]).fetchone() or (None,))[0]
            for i, text in enumerate(SPELLINGS, start=100)
        }
    assert sum(address is not None for address in kept_out.values()) > 6
    assert kept_out == {order: modelled[order] for order in kept_out}
