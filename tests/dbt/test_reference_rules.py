"""Rows of seeds/reference that cannot be meant stop the build, and say where they are."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt import build
from tests.sample_shop import ROOT

REFERENCE = ROOT / "seeds" / "reference"
FILES = sorted(path.stem for path in REFERENCE.glob("*.csv"))
READERS = {
    "code_families": "int_code_families",
    "discount_ladder": "int_discount_ladder",
    "order_count_rules": "int_order_count_rules",
    "place_rules": "int_place_rules",
    "product_rules": "int_product_rules",
    "product_sets": "int_product_sets",
    "spend_tiers": "int_spend_tiers",
}
"""The model that reads each file."""

Row = dict[str, str]


class Rules:
    """The models that read the reference files, as dbt compiled them, over tables made up here."""

    def __init__(self, compiled: dict[str, str], home: Path) -> None:
        self.compiled = compiled
        # The file's stem is the name of the database inside every compiled model.
        self.con = duckdb.connect(str(home / "warehouse.duckdb"))
        self.con.execute(
            "create schema reference; create schema intermediate; create schema staging"
        )
        self.con.execute(
            "create table intermediate.int_products as select * from (values"
            " (cast(1 as ubigint), 'GRIND-HD', 'p1', 'Grinders', 'Amber Mill'),"
            " (2, 'BEAN-1', 'p2', 'Coffee', 'Blue Kettle'))"
            " as products(product, sku, product_id, category, vendor)"
        )
        self.con.execute(
            "create table intermediate.int_campaigns as select 'fall' as campaign_id,"
            " 'campaign_fall' as prefix, 'Fall' as name, date '2026-10-01' as starts_on,"
            " date '2026-10-10' as ends_on"
        )
        self.files: dict[str, list[Row]] = {}
        for file in FILES:
            self.put(file, shipped(file))

    def put(self, file: str, rows: list[Row]) -> None:
        """Write a reference file as dbt seeds it: every cell a text, empty cells null."""
        columns = header(file)
        listed = ", ".join(f'"{column}" varchar' for column in columns)
        self.con.execute(f"create or replace table reference.{file} ({listed})")
        for row in rows:
            cells = [row.get(column) or None for column in columns]
            marks = ", ".join("?" * len(cells))
            self.con.execute(f"insert into reference.{file} values ({marks})", cells)

    def run(self, model: str) -> None:
        self.con.execute(f"create or replace table intermediate.{model} as {self.compiled[model]}")

    def run_all(self) -> None:
        for model in ("int_product_sets", *READERS.values(), "int_segment_rules"):
            self.run(model)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()


def header(file: str) -> list[str]:
    with (REFERENCE / f"{file}.csv").open(encoding="utf-8") as lines:
        return next(csv.reader(lines))


def shipped(file: str) -> list[Row]:
    with (REFERENCE / f"{file}.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("compiled")
    models = (*READERS.values(), "int_segment_rules", "int_segment_availability")
    result = build.dbt(home, "compile", "--select", *models, gross_margin_pct=None)
    assert result.returncode == 0, result.stdout[-4000:]
    manifest = json.loads((home / "target" / "manifest.json").read_text(encoding="utf-8"))
    return {
        node["name"]: node["compiled_code"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["name"] in models
    }


@pytest.fixture
def rules(compiled: dict[str, str], tmp_path: Path) -> Iterator[Rules]:
    found = Rules(compiled, tmp_path)
    yield found
    found.con.close()


def test_every_file_has_a_reader() -> None:
    assert set(READERS) == set(FILES)


def test_the_rules_that_come_with_the_product_can_be_meant(rules: Rules) -> None:
    rules.run_all()
    assert rules.query("select count(*) > 0 from intermediate.int_segment_rules") == [(True,)]


WRONG: list[tuple[str, Row, str]] = [
    # code_families
    ("code_families", {"family": "", "pattern": "A"}, "family is empty"),
    ("code_families", {"family": "Fall", "pattern": "A"}, 'family "Fall" is no name'),
    ("code_families", {"family": "2026_fall", "pattern": "A"}, 'family "2026_fall" is no name'),
    ("code_families", {"family": "new", "pattern": " "}, "pattern is empty"),
    ("code_families", {"family": "new", "pattern": "A(["}, 'pattern "A([" is no regular'),
    ("code_families", {"family": "fall", "pattern": "B"}, 'there is another family "fall"'),
    (
        "code_families",
        {"family": "new", "pattern": "A", "once_per_customer": "yes"},
        'once_per_customer "yes" is neither true nor false',
    ),
    (
        "code_families",
        {"family": "new", "pattern": "A", "is_referral": "1"},
        'is_referral "1" is neither true nor false',
    ),
    # discount_ladder
    (
        "discount_ladder",
        {"lifecycle_tier": "gold", "step": "1", "min_days": "30"},
        'lifecycle_tier "gold" is not one of: single, multi, hvc',
    ),
    ("discount_ladder", {"lifecycle_tier": "hvc", "min_days": "90"}, "step is empty"),
    ("discount_ladder", {"lifecycle_tier": "hvc", "step": "2"}, "min_days is empty"),
    (
        "discount_ladder",
        {"lifecycle_tier": "hvc", "step": "2", "min_days": "2.5"},
        'min_days "2.5" is not a whole number of at least 1',
    ),
    (
        "discount_ladder",
        {"lifecycle_tier": "hvc", "step": "0", "min_days": "90"},
        'step "0" is not a whole number of at least 1',
    ),
    (
        "discount_ladder",
        {"lifecycle_tier": "hvc", "step": "2", "min_days": "90", "max_discount_pct": "101"},
        'max_discount_pct "101" is more than 100',
    ),
    (
        "discount_ladder",
        {"lifecycle_tier": "hvc", "step": "2", "min_days": "90", "max_discount_pct": "ten"},
        'max_discount_pct "ten" is not an amount',
    ),
    (
        "discount_ladder",
        {"lifecycle_tier": "hvc", "step": "3", "min_days": "90"},
        "step 3 of hvc should be 2",
    ),
    (
        "discount_ladder",
        {"lifecycle_tier": "hvc", "step": "2", "min_days": "60"},
        "step 2 of hvc comes after 60 days, not later than the step before it",
    ),
    # order_count_rules
    ("order_count_rules", {"segment": "new", "min_orders": "2"}, "title is empty"),
    ("order_count_rules", {"segment": "new", "title": "New"}, "min_orders is empty"),
    (
        "order_count_rules",
        {"segment": "new", "title": "New", "min_orders": "two"},
        'min_orders "two" is not a whole number of at least 1',
    ),
    (
        "order_count_rules",
        {"segment": "new", "title": "New", "min_orders": "3", "max_orders": "2"},
        "max_orders 2 is less than min_orders 3",
    ),
    # place_rules
    (
        "place_rules",
        {"segment": "new", "title": "New"},
        "give at least one of country, region, city",
    ),
    ("place_rules", {"segment": "in-ohio", "title": "New", "region": "OH"}, "is no name"),
    # product_sets
    (
        "product_sets",
        {"product_set": "new", "field": "colour", "value": "red"},
        'field "colour" is not one of: sku, product_id, category, vendor',
    ),
    ("product_sets", {"product_set": "new", "value": "red"}, 'field "" is not one of'),
    ("product_sets", {"product_set": "new", "field": "sku"}, "value is empty"),
    # product_rules
    (
        "product_rules",
        {"segment": "new", "title": "New", "bought_any_of": "cofee"},
        'there is no product set "cofee"; sets are: ',
    ),
    (
        "product_rules",
        {"segment": "new", "title": "New", "bought_any_of": "coffee", "never_any_of": "tea"},
        'there is no product set "tea"; sets are: ',
    ),
    (
        "product_rules",
        {"segment": "new", "title": "New", "never_any_of": "coffee"},
        "neither bought_any_of nor min_unit_price is given",
    ),
    (
        "product_rules",
        {"segment": "new", "title": "New", "min_unit_price": "-1"},
        'min_unit_price "-1" is not an amount of at least 0',
    ),
    (
        "product_rules",
        {"segment": "new", "title": "New", "bought_any_of": "coffee", "within_days": "0"},
        'within_days "0" is not a whole number of at least 1',
    ),
    # spend_tiers
    ("spend_tiers", {"tier": "new", "title": "New"}, "starts_at is empty"),
    (
        "spend_tiers",
        {"tier": "new", "title": "New", "starts_at": "50 USD"},
        'starts_at "50 USD" is not an amount of at least 0',
    ),
    (
        "spend_tiers",
        {"tier": "new", "title": "New", "starts_at": "50"},
        "another tier starts at 50",
    ),
]


@pytest.mark.parametrize(
    ("file", "row", "problem"), WRONG, ids=[f"{file}: {problem}" for file, _, problem in WRONG]
)
def test_a_wrong_row_says_where_it_is_and_what_is_wrong(
    rules: Rules, file: str, row: Row, problem: str
) -> None:
    rules.run("int_product_sets")
    rows = [*shipped(file), row]
    rules.put(file, rows)
    with pytest.raises(duckdb.Error) as error:
        rules.run(READERS[file])
    words = str(error.value)
    where = f"seeds/reference/{file}.csv line "
    assert where in words
    line, _, said = words.partition(where)[2].partition(": ")
    assert problem in said
    # Two rows that collide are both wrong, and either may be told.
    assert int(line) == len(rows) + 1 or "another" in problem


TAKEN: list[tuple[str, Row, str]] = [
    (
        "order_count_rules",
        {"segment": "non_buyer", "title": "New", "min_orders": "2"},
        "there is a segment non_buyer already",
    ),
    (
        "place_rules",
        {"segment": "returning_customer", "title": "New", "country": "US"},
        "another rule makes a segment returning_customer",
    ),
    (
        "product_rules",
        {"segment": "campaign_fall_pending", "title": "New", "min_unit_price": "1"},
        "another rule makes a segment campaign_fall_pending",
    ),
    (
        "spend_tiers",
        {"tier": "tier_50", "title": "New", "starts_at": "70"},
        "another rule makes a segment spend_tier_50",
    ),
]


@pytest.mark.parametrize(("file", "row", "problem"), TAKEN, ids=[case[0] for case in TAKEN])
def test_a_name_is_taken_once(rules: Rules, file: str, row: Row, problem: str) -> None:
    rows = [*shipped(file), row]
    rules.put(file, rows)
    with pytest.raises(duckdb.Error) as error:
        rules.run_all()
    assert f"seeds/reference/{file}.csv line {len(rows) + 1}: {problem}" in str(error.value)


def test_cells_are_trimmed_and_empty_ones_mean_what_they_say(rules: Rules) -> None:
    rules.put(
        "code_families", [{"family": " fall ", "pattern": "FALL-.+", "is_referral": " TRUE "}]
    )
    rules.put("spend_tiers", [{"tier": "high", "title": "High", "starts_at": "100"}])
    rules.put("order_count_rules", [])
    rules.put("discount_ladder", [])
    rules.put("place_rules", [])
    rules.put("product_rules", [])
    rules.put("product_sets", [])
    rules.run_all()
    assert rules.query(
        "select line, family, segment, once_per_customer, is_referral, pattern_prefix"
        " from intermediate.int_code_families"
    ) == [(2, "fall", "redeemed_fall_this_month", False, True, "FALL-")]
    assert rules.query("select starts_at, next_starts_at from intermediate.int_spend_tiers") == [
        (100, None)
    ]


def test_a_set_of_nothing_sold_is_a_set(rules: Rules) -> None:
    rules.put(
        "product_sets",
        [
            {"product_set": "grinders", "field": "sku", "value": "grind-hd"},
            {"product_set": "grinders", "field": "category", "value": "GRINDERS"},
            {"product_set": "tea", "field": "category", "value": "Tea"},
        ],
    )
    rules.put(
        "product_rules",
        [{"segment": "tea", "title": "Tea", "bought_any_of": "tea", "min_unit_price": "5"}],
    )
    rules.run_all()
    assert rules.query(
        "select product_set, field, product from intermediate.int_product_sets order by all"
    ) == [("grinders", "category", 1), ("grinders", "sku", 1), ("tea", "category", None)]
    assert rules.query("select requires from intermediate.int_product_rules") == [
        (["order_lines.category", "order_lines.unit_price"],)
    ]


def test_tiers_and_steps_end_where_the_next_begins(rules: Rules) -> None:
    rules.put(
        "spend_tiers",
        [
            {"tier": "high", "title": "High", "starts_at": "100.00"},
            {"tier": "low", "title": "Low", "starts_at": "50"},
        ],
    )
    rules.put(
        "discount_ladder",
        [
            {"lifecycle_tier": "single", "step": "2", "min_days": "50", "offer_code": "twenty"},
            {"lifecycle_tier": "single", "step": "1", "min_days": "30"},
            {"lifecycle_tier": "hvc", "step": "1", "min_days": "90"},
        ],
    )
    rules.run_all()
    assert rules.query(
        "select tier, starts_at, next_starts_at from intermediate.int_spend_tiers order by 2"
    ) == [("low", 50, 100), ("high", 100, None)]
    assert rules.query(
        "select lifecycle_tier, step, min_days, next_min_days, offer_code"
        " from intermediate.int_discount_ladder order by all"
    ) == [
        ("hvc", 1, 90, None, None),
        ("single", 1, 30, 50, None),
        ("single", 2, 50, None, "TWENTY"),
    ]


COLUMNS = [
    ("orders", "order_id", True),
    ("orders", "email", False),
    ("orders", "phone", True),
    ("customers", "customer_id", True),
    ("customers", "tags", True),
    ("customers", "country", True),
    ("customers", "created_at", False),
    ("customers", "email_consent", False),
    ("customers", "email_consent_at", False),
    ("customers", "sms_consent_at", False),
    ("order_discounts", "order_id", True),
    ("order_discounts", "code", False),
    ("order_lines", "order_id", True),
    ("order_lines", "sku", True),
    ("order_lines", "category", False),
    ("order_lines", "unit_price", False),
    ("checkouts", "checkout_token", False),
    ("costs", "sku", False),
    ("referrals", "referrer_customer_id", False),
]
"""A shop with orders, tags of accounts, and discounts without their codes."""

MISSING = {
    "coupon_abuser": "order_discounts.code",
    "abandoned_cart": "checkouts",
    "abandoned_cart_offer": "checkouts",
    "signed_up_this_week": "customers.created_at or customers.email_consent_at"
    " or customers.sms_consent_at",
    "subscriber_not_purchased": "customers.email_consent",
    "advocate": "referrals",
    "referred": "referrals or order_discounts.code",
    "profitable": "costs or variable gross_margin_pct",
    "unprofitable": "costs or variable gross_margin_pct",
    "redeemed_fall_this_month": "order_discounts.code",
    "bought_coffee": "order_lines.category",
    "bought_dear_coffee": "order_lines.category, order_lines.unit_price",
    "campaign_fall_recipients": "campaign_sends, campaigns",
    "campaign_fall_pending": "campaign_sends, campaigns, order_discounts.code",
    "campaign_fall_redeemers": "campaign_sends, campaigns, order_discounts.code",
    "campaign_fall_non_redeemers": "campaign_sends, campaigns, order_discounts.code",
    "campaign_fall_organic_redeemers": "campaigns, order_discounts.code",
}


def test_a_segment_is_unavailable_for_what_it_or_its_rule_misses(rules: Rules) -> None:
    by_category = {"product_set": "coffee", "field": "category", "value": "Coffee"}
    by_sku = {"product_set": "grinders", "field": "sku", "value": "GRIND-HD"}
    rules.put("product_sets", [by_category, by_sku])
    rules.put(
        "product_rules",
        [
            {"segment": segment, "title": "T", "bought_any_of": products, "min_unit_price": price}
            for segment, products, price in (
                ("bought_grinder", "grinders", ""),
                ("bought_coffee", "coffee", ""),
                ("bought_dear_coffee", "coffee", "20"),
            )
        ],
    )
    rules.put("code_families", [{"family": "fall", "pattern": "FALL"}])
    rules.run_all()
    rules.con.execute(
        "create table staging.stg_source_columns (table_name text, column_name text, present bool)"
    )
    rules.con.executemany("insert into staging.stg_source_columns values (?, ?, ?)", COLUMNS)
    rules.run("int_segment_availability")
    answers = rules.query(
        "select segment, is_available, reason from intermediate.int_segment_availability"
    )
    unavailable = {segment: reason for segment, available, reason in answers if not available}
    assert unavailable == {name: f"the source has no {what}" for name, what in MISSING.items()}
    available = {segment for segment, is_available, _ in answers if is_available}
    assert {
        *(
            "lapsed_hvc",
            "new_contact",
            "loyalty_member",
            "only_with_discount",
            "suspected_reseller",
        ),
        *("bought_grinder", "lives_in_canada", "discount_ladder_step_1", "spend_tier_50"),
    } <= available


def test_a_build_stops_at_a_wrong_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(
        build.PROJECT, tmp_path / "dbt_project", ignore=shutil.ignore_patterns("target", "logs")
    )
    shutil.copytree(REFERENCE, tmp_path / "seeds" / "reference")
    wrong = tmp_path / "seeds" / "reference" / "spend_tiers.csv"
    wrong.write_text(wrong.read_text(encoding="utf-8") + "tier_200,From 200,200 USD\n")
    line = len(wrong.read_text(encoding="utf-8").splitlines())
    monkeypatch.setattr(build, "PROJECT", tmp_path / "dbt_project")
    result = build.dbt(tmp_path, "build", "--select", "spend_tiers", "int_spend_tiers")
    assert result.returncode != 0
    words = " ".join(result.stdout.split())
    assert f'seeds/reference/spend_tiers.csv line {line}: starts_at "200 USD" is not an' in words
