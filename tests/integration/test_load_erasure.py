# ruff: noqa: E501 a row of a file is one line
from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.sources import (
    TABLES,
    CanonicalSource,
    LoadOptions,
    LoadResult,
    join_pseudonyms,
    load,
    normalise_phones,
)
from syncs import KeepOut, SyncSettings, install_keep_out
from tests.support.forgotten import record_forgotten

ERIN = [
    ("email", "erin@mail.example"),
    ("email", "erin.old@mail.example"),
    ("phone", "+12025550123"),
    ("customer_id", "account-1"),
    ("customer_id", "account-2"),
]
# Everything in the files that says who Erin is.
TRACES = ["erin", "Gone", "Bath", "555-0123", "account-1", "account-2", "203.0.113.7", "1980-02-03"]

FILES = {
    "customers": """customer_id,email,phone,first_name,created_at,region,city,postal_code,email_consent,birthday
account-1,Erin@MAIL.example ,(202) 555-0123,Erin Gone,2026-03-01,BA,Bath,20001,subscribed,1980-02-03
account-2,erin.old@mail.example,,Erin Gone,2026-02-01,BA,Bath,20001,never,1980-02-03
account-8,otto@mail.example,,Otto Other,2026-01-01,NY,Bathurst,20002,subscribed,
""",
    "orders": """order_id,ordered_at,total_amount,customer_id,email,phone,ship_country,ship_city,tags,client_ip,gift_for
1,2026-03-01T10:00:00Z,10,account-1,erin@mail.example,,US,Bath,"wholesale, erin@mail.example",203.0.113.7,
2,2026-03-02T10:00:00Z,20,,ERIN@mail.example,,US,Bath,,203.0.113.7,Otto
3,2026-03-03T10:00:00Z,30,account-2,,,US,Bath,,,
4,2026-03-04T10:00:00Z,40,,,+1 202-555-0123,US,Bath,,,
5,2026-03-05T10:00:00Z,50,account-8,otto@mail.example,2025550123,US,Bathurst,retail,192.0.2.9,erin@mail.example
6,2026-03-06T10:00:00Z,60,account-1,erin.old@mail.example,,US,Bath,,,
""",
    "checkouts": """checkout_token,created_at,email,phone
token-1,2026-03-01,erin.old@mail.example,202-555-0199
token-2,2026-03-01,otto@mail.example,
""",
    "campaign_sends": """campaign_id,sent_at,customer_id,email,code
spring,2026-03-01,account-1,,ERIN10
spring,2026-03-01,account-8,,OTTO10
""",
    "loyalty_members": """customer_id,status,points,joined_at
account-1,gold,5.5,2026-03-02
account-2,gold,7,2026-03-01
account-8,new,1,2026-03-01
""",
    "referrals": """referrer_customer_id,referred_customer_id
account-1,account-8
account-8,account-2
""",
    "suppressions": """email,phone,channel,reason,note
erin@mail.example,,all,Erin wrote to us,Mrs Gone
otto@mail.example,2025550123,email,bounced,
""",
    "erasure_requests": """customer_id,email,phone,requested_at
account-1,erin@mail.example,,2026-11-19
,erin.old@mail.example,(202) 555-0123,2026-11-19
account-8,erin@mail.example,,2026-11-19
""",
    "refunds": """refund_id,order_id,refunded_at,amount
r1,1,2026-04-01,5
""",
}  # fmt: skip


class Home:
    """A home with a source folder; every load opens and closes the warehouse, as the job does."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.source = folder / "source"
        self.source.mkdir()
        for name, text in FILES.items():
            self.put(name, text)
        self.warehouse = self.home / "warehouse.duckdb"

    def put(self, name: str, text: str) -> None:
        (self.source / f"{name}.csv").write_text(text)

    def load(self) -> dict[str, LoadResult]:
        self.home.mkdir(exist_ok=True)
        with duckdb.connect(str(self.warehouse)) as con:
            con.execute("set TimeZone = 'UTC'")
            keep_out = install_keep_out(self.settings, con)
            options = LoadOptions("UTC", 1.0, forgotten_list=keep_out.list_id)
            results = load(con, CanonicalSource(self.source), options)
            normalise_phones(con, "US")
            if keep_out.list_id is not None:
                join_pseudonyms(con)
        return {result.table: result for result in results}

    @property
    def settings(self) -> SyncSettings:
        return SyncSettings(SEGMENTS_HOME=self.home)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as con:
            con.execute("set TimeZone = 'UTC'")
            return con.execute(sql).fetchall()

    def column(self, sql: str) -> list[Any]:
        return [row[0] for row in self.query(sql)]

    def said(self) -> str:
        """Everything that schema raw holds, as one text."""
        names = self.column("select table_name from duckdb_tables() where schema_name = 'raw'")
        return "".join(str(self.query(f"from raw.{name}")) for name in sorted(names))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def forgotten(home: Home) -> Home:
    """Erin's home, loaded after she was forgotten."""
    record_forgotten(home.home, *ERIN)
    home.load()
    return home


def test_nothing_of_a_forgotten_person_reaches_the_warehouse(home: Home):
    home.load()
    before = home.said()
    # The file must be able to show it, or looking at its bytes would prove nothing.
    assert [trace for trace in TRACES if trace.lower() not in before.lower()] == []
    assert b"erin.old@mail.example" in home.warehouse.read_bytes()
    home.warehouse.unlink()

    record_forgotten(home.home, *ERIN)
    home.load()
    after = home.said().replace("Bathurst", "")
    assert [trace for trace in TRACES if trace.lower() in after.lower()] == []
    assert b"erin" not in home.warehouse.read_bytes().lower()
    assert "otto@mail.example" in after


def test_the_key_of_the_hashes_does_not_reach_it_either(forgotten: Home):
    with duckdb.connect() as con:
        from syncs import identity

        identity.install(con, key=identity.ledger_key(forgotten.home / "ledger"))
        sql = con.execute(
            "select macro_definition from duckdb_functions() where function_name = 'keyed'"
        ).fetchone()
    assert sql is not None
    secret = sql[0].split("'")[1].encode()
    assert len(secret) > 20
    assert secret not in forgotten.warehouse.read_bytes()
    assert forgotten.query("select 1 from duckdb_functions() where not internal") == []


def test_statistics_stay_and_are_of_one_anonymous_customer(forgotten: Home):
    orders = forgotten.query(
        "select order_id, total_amount::int, ship_country, customer_id from raw.orders "
        "where order_id <> '5' order by 1"
    )
    assert [order[:3] for order in orders] == [(str(i), 10 * i, "US") for i in (1, 2, 3, 4, 6)]
    people = {order[3] for order in orders}
    assert len(people) == 1
    (person,) = people
    assert person.startswith("forgotten-")
    assert forgotten.column("select customer_id from raw.customers order by 1") == [
        "account-8",
        person,
    ]
    assert forgotten.query(
        "select email, phone, first_name, region, city, postal_code, email_consent, birthday, "
        "created_at::date from raw.customers where customer_id <> 'account-8'"
    ) == [(None,) * 8 + (date(2026, 2, 1),)]
    assert forgotten.query(
        "select customer_id, points::int, joined_at::date from raw.loyalty_members order by 1"
    ) == [("account-8", 1, date(2026, 3, 1)), (person, 7, date(2026, 3, 1))]
    assert forgotten.query("from raw.referrals select #1, #2") == [
        (person, "account-8"),
        ("account-8", person),
    ]
    assert forgotten.query(
        "select checkout_token, customer_id, email, phone from raw.checkouts order by 1"
    ) == [("token-1", person, None, None), ("token-2", None, "otto@mail.example", None)]
    assert forgotten.column("select code from raw.campaign_sends order by 1") == ["OTTO10", None]
    # Rules read an order's tags; an address among them is nobody's rule.
    assert forgotten.column("select tags from raw.orders where order_id = '1'") == ["wholesale"]


def test_what_the_source_really_has_is_still_what_is_said(forgotten: Home):
    assert forgotten.column(
        "select present from raw.source_columns "
        "where table_name = 'checkouts' and column_name = 'customer_id'"
    ) == [False]
    assert "customer_id" in forgotten.load()["checkouts"].missing_columns


def test_somebody_else_keeps_all_but_what_names_the_forgotten_one(forgotten: Home):
    assert forgotten.query(
        "select customer_id, email, phone, ship_city, client_ip, tags, gift_for from raw.orders "
        "where order_id = '5'"
    ) == [("account-8", "otto@mail.example", None, "Bathurst", "192.0.2.9", "retail", None)]
    assert forgotten.query(
        "select email, phone, channel, reason from raw.suppressions order by channel"
    ) == [(None, None, "all", None), ("otto@mail.example", None, "email", None)]


def test_a_request_of_a_forgotten_person_is_its_pseudonym(forgotten: Home):
    person = forgotten.column("select distinct customer_id from raw.orders where order_id = '1'")[0]
    # The last request also names somebody who is not yet forgotten: that part stays.
    assert forgotten.query(
        "select distinct customer_id, email, phone from raw.erasure_requests order by all"
    ) == [("account-8", None, None), (person, None, None)]


def test_with_other_identifiers_a_forgotten_person_asks_again(home: Home):
    record_forgotten(home.home, ("email", "erin@mail.example"), ("customer_id", "account-2"))
    home.load()
    assert home.query(
        "select table_name, customer_id, email, requested_at::date from raw.renewed_requests "
        "order by all"
    ) == [
        ("customers", "account-1", None, date(2026, 11, 19)),
        ("customers", None, "erin.old@mail.example", date(2026, 11, 19)),
        ("orders", "account-1", None, date(2026, 11, 19)),
    ]
    record_forgotten(home.home, *ERIN)
    home.load()
    assert home.query("from raw.renewed_requests") == []


def test_what_was_forgotten_first_names_the_person_for_ever(home: Home):
    record_forgotten(home.home, ("email", "erin@mail.example"), day="2026-11-20")
    home.load()
    before = home.column("select customer_id from raw.orders where order_id = '2'")
    for identifier in ERIN[1:]:
        record_forgotten(home.home, identifier, day="2026-11-21")
    home.load()
    assert home.column("select distinct customer_id from raw.orders where order_id <> '5'") == (
        before
    )


def test_a_phone_of_two_forgotten_people_joins_nobody(home: Home):
    record_forgotten(home.home, *ERIN, ("email", "otto@mail.example"), ("customer_id", "account-8"))
    home.load()
    people = dict(home.query("select order_id, customer_id from raw.orders"))
    assert len({people[i] for i in "1236"}) == 1
    assert len(set(people.values())) == 3


def test_rejected_rows_and_broken_lines_say_nothing_of_them(home: Home):
    home.put(
        "orders",
        "order_id,ordered_at,total_amount,email,customer_id\n"
        "1,2026-03-01,10,erin@mail.example,\n"
        "2,yesterday,10,erin@mail.example,\n"
        # Shifted: the address is where the amount should be, the name where the date should be.
        "3,Erin Gone,erin@mail.example,10,\n"
        "4,2026-03-01,account-1,,\n"
        "5,2026-03-01,(202) 555-0123,,\n"
        "6,yesterday,10,otto@mail.example,\n"
        '7,2026-03-01,10,"erin@mail.example,\n',
    )
    record_forgotten(home.home, *ERIN)
    home.load()
    rejected = {
        line: (reason, row and json.loads(row))
        for line, reason, row in home.query(
            "select source_line, reason, row from raw.rejected_rows where table_name = 'orders'"
        )
    }
    assert sorted(rejected) == [3, 4, 5, 6, 7, 8]
    assert rejected[3][1]["email"] is None
    assert rejected[4] == ("ordered_at is not a timestamp; total_amount is not a number", None)
    assert rejected[5] == ("total_amount is not a number", None)
    assert rejected[6] == ("total_amount is not a number", None)
    assert rejected[7][1]["email"] == "otto@mail.example"
    assert rejected[8] == ("the line has a badly quoted field", None)
    assert "erin" not in home.said().lower()


def test_accounts_without_id_are_rejected_as_ever(home: Home):
    home.put("customers", "customer_id,email\n,erin@mail.example\naccount-8,otto@mail.example\n")
    record_forgotten(home.home, *ERIN)
    assert home.load()["customers"].rejected == 1


@pytest.mark.parametrize("file", ["missing", "empty"])
def test_while_nobody_is_forgotten_loading_is_what_it_was(home: Home, file: str):
    if file == "empty":
        record_forgotten(home.home)
    home.load()
    assert home.query("from raw.kept_out") == home.query("from raw.forgotten_links") == []
    assert home.column("select count(*) from raw.customers") == [3]
    with duckdb.connect() as con:
        assert install_keep_out(home.settings, con) == KeepOut(None, 0)
        assert con.execute("select 1 from duckdb_functions() where not internal").fetchall() == []


def test_every_table_says_with_which_list_it_was_loaded(forgotten: Home):
    lists = forgotten.query("select count(*), count(distinct list_id) from raw.kept_out")
    assert lists == [(len(TABLES), 1)]
