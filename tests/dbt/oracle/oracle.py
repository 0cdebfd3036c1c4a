"""All segments of a shop, day after day, and traits on the last day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from tests.dbt.oracle import abuse, carts, contacts, discounts, lifecycle, products, value
from tests.dbt.oracle.campaigns import Campaigns
from tests.dbt.oracle.facts import Person, World
from tests.dbt.oracle.referrals import Referrals

Trait = tuple[str | None, int | None, str | None, int, int]


class Oracle:
    """The answers for one shop under one set of rules."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.thresholds = lifecycle.thresholds_of(world)
        self.campaigns = Campaigns(world)
        self.referrals = Referrals(world)
        self.signs = abuse.signs_of(world)
        self.earned = value.earned_of(world)
        self.tokens = carts.token_days(world)

    def days_of(self, person: Person) -> dict[str, set[date]]:
        """For every segment the days on which this person is a member, up to the as-of date."""
        found: dict[str, set[date]] = {}
        rules = self.world.rules
        before: set[str] = set()
        stays = 0
        last_event = None
        day = person.known_from
        while day <= self.world.as_of:
            today = set(self._on(day, person))
            # Two segments remember what happened on the days before.
            if today & lifecycle.HVC_ENTRIES - before:
                last_event = day
            if last_event and (day - last_event).days < rules.hvc_event_quiet_days:
                today.add("recent_hvc_event")
            if "abandoned_cart" in today:
                stays += "abandoned_cart" not in before
                if carts.may_be_offered(day, person, self.world, stays):
                    today.add("abandoned_cart_offer")
            for segment in today:
                found.setdefault(segment, set()).add(day)
            before = today
            day += timedelta(days=1)
        return found

    def _on(self, day: date, person: Person) -> Iterator[str]:
        world = self.world
        yield from lifecycle.on(day, person, world, self.thresholds)
        yield from discounts.on(day, person, world)
        yield from contacts.on(day, person, world)
        yield from value.on(day, person, world.rules, self.earned)
        yield from products.on(day, person)
        yield from self.campaigns.on(day, person)
        if carts.has_left_cart(day, person, world, self.tokens):
            yield "abandoned_cart"
        if self.referrals.brought(day, person) >= world.rules.advocate_min_referrals:
            yield "advocate"
        if self.referrals.is_referred(day, person):
            yield "referred"
        if self.score(day, person) >= world.rules.abuse_threshold:
            yield "coupon_abuser"

    def score(self, day: date, person: Person) -> int:
        return abuse.score_on(day, person, self.world, self.signs)

    def traits_of(self, person: Person) -> Trait:
        """Spend tier, ladder step, dependence on discounts, abuse score and referrals, as of."""
        as_of, rules = self.world.as_of, self.world.rules
        purchases = person.purchases
        step = None
        if purchases and not lifecycle.only_with_code(purchases):
            silence = (as_of - purchases[-1].day).days
            step = lifecycle.ladder_step(silence, lifecycle.tier_of(purchases, rules))
        return (
            value.spend_tier(as_of, person, rules),
            step,
            discounts.dependence(person),
            self.score(as_of, person),
            self.referrals.brought(as_of, person),
        )
