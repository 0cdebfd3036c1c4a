"""Who was sent a campaign, who redeemed it, who still may."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from tests.dbt.history import Campaign, Order, local_day
from tests.dbt.oracle.facts import Person, World, at_of, day_of, redeems


class Campaigns:
    """Sends and redemptions of every campaign that has begun."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begun = [c for c in world.shop.campaigns if c.starts_on <= world.as_of]
        self.codes_sent: dict[str, set[str]] = defaultdict(set)
        self.sent: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        by_id, by_email = world.by_id(), world.by_email()
        for send in world.shop.sends:
            if local_day(send.at) > world.as_of:
                continue
            if send.code:
                self.codes_sent[send.campaign_id].add(send.code.strip().upper())
            person = by_id.get(send.customer_id or "") or by_email.get((send.email or "").lower())
            if person:
                self.sent[send.campaign_id, person.key].append(send.at)
        self.redeemed: dict[tuple[str, str], list[date]] = defaultdict(list)
        for person in world.people.values():
            for order in filter(redeems, person.orders):
                for code in sorted(order.codes):
                    campaign = self._campaign_of(person, order, code)
                    if campaign:
                        self.redeemed[campaign.campaign_id, person.key].append(day_of(order))

    def _campaign_of(self, person: Person, order: Order, code: str) -> Campaign | None:
        """The campaign mailed last before the order, else the one that began last."""
        candidates = [c for c in self.begun if self._is_of(c, code) and self._is_open(c, order)]
        mailed = [
            (at, campaign)
            for campaign in candidates
            for at in self.sent[campaign.campaign_id, person.key]
            if at <= at_of(order)
        ]
        if mailed:
            return max(mailed, key=lambda found: found[0])[1]
        return max(candidates, key=lambda campaign: campaign.starts_on, default=None)

    def _is_of(self, campaign: Campaign, code: str) -> bool:
        matches = campaign.code_pattern and re.fullmatch(campaign.code_pattern, code)
        return bool(matches) or code in self.codes_sent[campaign.campaign_id]

    def _is_open(self, campaign: Campaign, order: Order) -> bool:
        return campaign.starts_on <= day_of(order) < self._closed_on(campaign)

    def _closed_on(self, campaign: Campaign) -> date:
        return campaign.ends_on + timedelta(days=self.world.rules.campaign_grace_days + 1)

    def on(self, day: date, person: Person) -> Iterator[str]:
        for campaign in self.begun:
            name = campaign.segment
            ids = campaign.campaign_id, person.key
            if day < campaign.starts_on:
                continue
            has_redeemed = any(on <= day for on in self.redeemed.get(ids, []))
            if not any(local_day(at) <= day for at in self.sent.get(ids, [])):
                if has_redeemed:
                    yield f"{name}_organic_redeemers"
                continue
            yield f"{name}_recipients"
            if has_redeemed:
                yield f"{name}_redeemers"
            elif day < self._closed_on(campaign):
                yield f"{name}_pending"
            else:
                yield f"{name}_non_redeemers"
