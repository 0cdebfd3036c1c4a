"""Who brought whom."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from tests.dbt.history import Order, local_day
from tests.dbt.oracle.facts import Person, World, day_of
from tests.dbt.oracle.households import households
from tests.dbt.oracle.rules import REFERRAL_FAMILIES, families_of


class Referrals:
    """All referrals that hold, whoever bought since."""

    def __init__(self, world: World) -> None:
        self._grain = world.rules.order_grain
        signs = households(world).values()
        by_id = world.by_id()
        rows = defaultdict(list)
        for row in world.shop.referrals:
            referrer, referred = by_id.get(row.referrer), by_id.get(row.referred)
            if not referrer or not referred or referrer is referred:
                continue
            one_home = any(of[referrer.key] & of[referred.key] for of in signs)
            day = local_day(row.at) if row.at else None
            if day and day > world.as_of:
                continue
            first = day_of(referred.counted[0]) if referred.counted else None
            # Somebody who had bought before was not brought by anybody.
            if not one_home and not (day and first and first < day):
                rows[referred.key].append((row.at, referrer.key, day))
        self.referred_on: dict[str, date | None] = {}
        """For each referred person the day of the first referral, None without a date."""
        self.bought_on: dict[str, list[date]] = defaultdict(list)
        """For each referrer the days on which people they brought first bought."""
        for key, found in rows.items():
            dated = sorted(row for row in found if row[0])
            # Without any date nobody was first; the smallest key makes every run say the same.
            first_row = (dated or sorted(found, key=lambda row: row[1]))[0]
            self.referred_on[key] = first_row[2]
            if world.people[key].counted:
                self.bought_on[first_row[1]].append(day_of(world.people[key].counted[0]))

    def brought(self, day: date, person: Person) -> int:
        return sum(bought <= day for bought in self.bought_on.get(person.key, []))

    def is_referred(self, day: date, person: Person) -> bool:
        since = self.referred_on.get(person.key)
        by_person = person.key in self.referred_on and (since is None or since <= day)
        if by_person or not person.purchases:
            return by_person
        first_day = person.purchases[0].day
        codes = {code for order in self._first_orders(person) for code in order.codes}
        by_code = any(families_of(code) & REFERRAL_FAMILIES for code in codes)
        return by_code and first_day <= day

    def _first_orders(self, person: Person) -> list[Order]:
        if self._grain == "order":
            return person.counted[:1]
        return [order for order in person.counted if order.day == person.purchases[0].day]
