"""Random shops through the real models, compared with the day-by-day definitions on every day."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt.build import build, load_folder
from tests.dbt.history import AS_OF, Order, Seen
from tests.dbt.oracle.facts import world_of
from tests.dbt.oracle.oracle import Oracle
from tests.dbt.oracle.rules import Rules
from tests.dbt.people import resolve
from tests.dbt.random_offers import CAMPAIGNS
from tests.dbt.random_shop import random_shop
from tests.dbt.shop_files import write

# Seed, number of people, rules.
SCENARIOS = {
    "defaults": (1, 200, Rules()),
    "other_rules": (
        2,
        170,
        Rules(
            thresholds="percentile",
            percentile_min_gaps=20,
            churn_pct=0.6,
            lapse_pct=0.9,
            hvc_min_orders=2,
            hvc_min_spend=120,
            active_days=60,
            lapse_days=120,
            frequency_window="365d",
            new_window_days=14,
            winback_window_days=90,
            hvc_event_quiet_days=30,
            order_grain="customer_day",
            refunded_orders="count",
            recurring_orders="first_only",
            discount_kinds=("code", "automatic"),
            campaign_grace_days=3,
            abandoned_cart_hours=24,
            abandoned_cart_days=3,
            abandoned_cart_offers=2,
            abandoned_cart_offers_count="redemptions",
            abandoned_cart_family="welcome",
            new_contact_days=None,
            week_start="sunday",
            loyalty_active_statuses=("active", "pending"),
            loyalty_tags=("vip",),
            spend_tier_basis="last_order",
            gross_margin_pct=None,
            shipping_cost_per_order=4.5,
            payment_fee_pct=0.029,
            profit_threshold=20,
            reseller_min_repeat_spend=150,
            abuse_window_days=30,
            abuse_threshold=40,
        ),
    ),
    "more_rules": (
        3,
        140,
        Rules(
            thresholds="percentile",
            percentile_min_gaps=10,
            percentile_min_days=45,
            percentile_max_days=200,
            hvc_min_orders=4,
            recurring_orders="exclude",
            abandoned_cart_offers=2,
            new_contact_days=7,
            advocate_min_referrals=2,
            gross_margin_pct=0.35,
            profit_threshold=20,
            reseller_min_repeat_spend=100,
        ),
    ),
}
# Who moved there within a month went through more than a month, or backwards.
IMPOSSIBLE_MOVES = """
    (from_segment like '%_hvc' and to_segment not like '%_hvc')
    or (from_segment like '%_multi' and to_segment like '%_single')
    or (from_segment not in ('non_buyer', 'unknown') and to_segment = 'non_buyer')
    or (from_segment in ('non_buyer', 'unknown') and to_segment like 'lapsed_%')
"""


class Built:
    """A random shop, what the models made of it, and what the definitions say."""

    def __init__(self, seed: int, people: int, rules: Rules, home: Path) -> None:
        self.shop = random_shop(seed, people)
        self.rules = rules
        write(self.shop, home / "source")
        self.path = load_folder(home / "source", home)
        build(home, **asdict(rules))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as con:
            return con.execute(sql).fetchall()

    @cached_property
    def oracle(self) -> Oracle:
        return Oracle(world_of(self.shop, self.rules, AS_OF, people_by_key(self)))

    @cached_property
    def expected(self) -> dict[tuple[str, str], set[date]]:
        return {
            (segment, key): days
            for key, person in self.oracle.world.people.items()
            for segment, days in self.oracle.days_of(person).items()
        }

    @cached_property
    def found(self) -> dict[tuple[str, str], set[date]]:
        days: dict[tuple[str, str], set[date]] = defaultdict(set)
        for segment, key, entered, exited in self.query(
            "select segment, customer_key, entered_on, exited_on from marts.segment_periods"
        ):
            length = (exited or AS_OF + timedelta(days=1)) - entered
            days[segment, key] |= {entered + timedelta(days=n) for n in range(length.days)}
        return days

    @cached_property
    def segments(self) -> set[str]:
        return {name for (name,) in self.query("select segment from marts.segment_catalog")}


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Built]:
    return {
        name: Built(*scenario, tmp_path_factory.mktemp(name))
        for name, scenario in SCENARIOS.items()
    }


@pytest.fixture(params=SCENARIOS)
def shop(request: pytest.FixtureRequest, shops: dict[str, Built]) -> Built:
    return shops[request.param]


def people_by_key(shop: Built) -> dict[str, list[Seen]]:
    """Customers of the models with the rows of the person they stand for, who must be one."""
    of_order = dict(shop.query("select order_id, customer_key from marts.orders"))
    of_account = dict(
        shop.query("select customer_id, customer_key from intermediate.int_customer_accounts")
    )
    found = {}
    nobody = {order.row_id for order in shop.shop.orders if order.day and order.day <= AS_OF}
    for person in resolve(shop.shop, AS_OF, shop.rules.max_cluster):
        orders = {row.row_id for row in person if isinstance(row, Order)}
        accounts = {str(row.customer_id) for row in person if row.source == "account"}
        keys = {of_order[order] for order in orders} | {of_account[a] for a in accounts}
        assert len(keys) == 1, f"one person has {len(keys)} keys"
        (key,) = keys
        assert key is not None
        assert key not in found, "two people have one key"
        found[key] = person
        nobody -= orders
    assert all(of_order[order] is None for order in nobody)
    assert nobody, "the shop has no order of nobody, so the rule is not tried"
    return found


def test_the_models_find_the_same_people(shop: Built) -> None:
    people = shop.oracle.world.people
    keys = {key for (key,) in shop.query("select customer_key from marts.customers")}
    assert keys == set(people)
    assert any(len({row.customer_id for row in p.rows}) > 2 for p in people.values())


def test_every_segment_on_every_day(shop: Built) -> None:
    wrong = {
        member: (sorted(days - shop.found[member])[:3], sorted(shop.found[member] - days)[:3])
        for member in shop.expected.keys() | shop.found.keys()
        if (days := shop.expected.get(member, set())) != shop.found[member]
    }
    names = sorted({segment for segment, _ in wrong})
    assert not wrong, f"{len(wrong)} differ in {names}, e.g. {next(iter(wrong.items()))}"
    assert {segment for segment, _ in shop.expected} <= shop.segments


def test_every_segment_has_somebody_to_compare(shops: dict[str, Built]) -> None:
    compared = {segment for shop in shops.values() for segment, _ in shop.expected}
    # Nobody is a non-redeemer of a campaign that still runs.
    still_open = {f"{c.segment}_non_redeemers" for c in CAMPAIGNS if c.ends_on > AS_OF}
    assert compared == set.union(*(shop.segments for shop in shops.values())) - still_open


def test_nobody_is_a_member_before_they_are_known(shop: Built) -> None:
    early = shop.query(
        "select segment, customer_key, entered_on, known_from from marts.segment_periods"
        " join marts.customers using (customer_key) where entered_on < known_from"
    )
    assert early == []


def test_moves_end_in_the_sizes_of_the_later_day(shop: Built) -> None:
    moved = shop.query(
        "select until, to_segment, sum(customers)::int from marts.lifecycle_moves group by all"
    )
    assert moved
    sizes: Counter[tuple[date, str]] = Counter()
    for (segment, _), days in shop.found.items():
        sizes.update((day, segment) for day in days)
    assert [row for row in moved if row[2] != sizes[row[0], row[1]]] == []


def test_no_tier_is_lost_for_life(shops: dict[str, Built]) -> None:
    for shop in shops.values():
        if shop.rules.frequency_window == "lifetime":
            where = f"where {IMPOSSIBLE_MOVES}"
            assert shop.query(f"select * from marts.lifecycle_moves {where}") == []
            assert len(shop.query("select * from marts.lifecycle_moves")) > 100


def test_recipients_are_redeemers_non_redeemers_and_pending(shop: Built) -> None:
    results = shop.query(
        "select campaign_id, recipients, redeemers, non_redeemers, pending, organic_redeemers"
        " from marts.campaign_results"
    )
    kinds = ("recipients", "redeemers", "non_redeemers", "pending", "organic_redeemers")
    prefixes = {campaign.campaign_id: campaign.segment for campaign in CAMPAIGNS}
    sizes = dict(shop.query("select segment, count(*) from marts.segment_members group by all"))
    assert len(results) == len([c for c in CAMPAIGNS if c.starts_on <= AS_OF])
    for campaign_id, *counted in results:
        recipients, redeemers, non_redeemers, pending, _ = counted
        assert recipients == redeemers + non_redeemers + pending > 0
        assert counted == [sizes.get(f"{prefixes[campaign_id]}_{kind}", 0) for kind in kinds]


def test_traits_of_the_last_day(shop: Built) -> None:
    found: Iterable[tuple[Any, ...]] = shop.query(
        "select customer_key, spend_tier, discount_ladder_step, discount_dependence,"
        " coupon_abuse_score, referral_count from marts.customers"
    )
    wrong = {
        key: (traits, shop.oracle.traits_of(shop.oracle.world.people[key]))
        for key, *values in found
        if (traits := tuple(values)) != shop.oracle.traits_of(shop.oracle.world.people[key])
    }
    assert not wrong, f"{len(wrong)} differ, e.g. {next(iter(wrong.items()))}"
