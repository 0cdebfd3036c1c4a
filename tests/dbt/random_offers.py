"""What the random shop does to bring people back, and what they do short of buying."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tests.dbt.chance import CAMPAIGN_EDGES, CLOCK_CHANGES, Draw, a_day, an_instant, sometimes
from tests.dbt.history import (
    AS_OF,
    Account,
    Campaign,
    Checkout,
    Membership,
    Order,
    Referral,
    Seen,
    Send,
)

_EDGES = CAMPAIGN_EDGES
CAMPAIGNS = (
    # Two campaigns with one code, at the same time for ten days.
    Campaign("holiday-24", "HOLIDAY20", _EDGES[0], _EDGES[1]),
    Campaign("Holiday 24 b", "HOLIDAY20|SPRING24", _EDGES[2], _EDGES[3]),
    Campaign("fall-25", "FALL-[A-Z0-9]{4}", _EDGES[4], _EDGES[5]),
    # Only the codes that were sent are its codes.
    Campaign("vip", None, _EDGES[6], _EDGES[7]),
    # Over, unless there are days of grace; with a code of the next one.
    Campaign("just-over", "SAVE|HOLIDAY20|WELCOME10", _EDGES[8], _EDGES[9]),
    Campaign("running", "WELCOME[0-9]+", _EDGES[10], date(2026, 12, 31)),
    Campaign("not-begun", "SAVE", AS_OF + timedelta(days=1), AS_OF + timedelta(days=20)),
)


def sends_of(random: Random, orders: list[Order], accounts: list[Account]) -> list[Send]:
    """Mailings before, within and after each campaign, and around the orders of who gets them."""
    sends = []
    for number, campaign in enumerate(CAMPAIGNS):
        buyers = [o for o in orders if o.day and campaign.starts_on <= o.day <= campaign.ends_on]
        # No two mailings, and no mailing and no order, are of the same second.
        second = timedelta(seconds=number + 7)
        mailed = [
            *random.sample([*orders, *accounts], 120),
            *random.choices(buyers or accounts, k=30),
        ]
        sends += [_send(random, campaign, person, second) for person in mailed]
        at = sends[-1].at
        sends.append(Send(campaign.campaign_id, at, None, "stranger@mail.example", "FALL-ZZZZ"))
    return sends


def _send(random: Random, campaign: Campaign, person: Seen, second: timedelta) -> Send:
    if person.at and isinstance(person, Order) and random.random() < 0.5:
        at = person.at + timedelta(hours=random.choice((-30, -1, 1, 30)))
    else:
        length = (campaign.ends_on - campaign.starts_on).days
        day = campaign.starts_on + timedelta(days=random.randint(-3, length + 5))
        at = an_instant(random, min(day, AS_OF + timedelta(days=2)))
    number = person.row_id.split("-")[1] if isinstance(person, Order) else person.row_id[1:]
    code = {
        "vip": f"vip{number} ",
        "fall-25": f"FALL-{number:0>4}",
        "holiday-24": "HOLIDAY20",
    }.get(campaign.campaign_id)
    email = person.email.upper() if person.email and random.random() < 0.5 else None
    return Send(
        *(campaign.campaign_id, at + second, None if email else person.customer_id, email),
        sometimes(random, 0.8, code),
    )


def open_checkouts(random: Random, person: int, identifiers: Draw) -> list[Checkout]:
    """Checkouts that were left, near a clock change more often than not."""
    found = []
    day = random.choice(CLOCK_CHANGES) if random.random() < 0.4 else a_day(random)
    for number in range(random.choice((1, 1, 2, 3))):
        at = an_instant(random, day - timedelta(days=random.choice((0, 1, 2, 3))))
        changed = at + timedelta(hours=random.choice((0, 0, 1, 5, 24)))
        completed = changed + timedelta(hours=random.choice((1, 47, 48, 72, 24 * 15)))
        found.append(
            Checkout(
                "checkout",
                f"k{person}-{number}",
                at,
                *identifiers(random),
                updated_at=sometimes(random, 0.8, changed),
                completed_at=sometimes(random, 0.2, completed),
            )
        )
        # Several at once, back to back, or half a year later.
        day += timedelta(days=random.choice((0, 1, 13, 14, 15, 16, 17, 30, 180)))
    return found


def referrals_of(random: Random, orders: list[Order], people: int) -> list[Referral]:
    """Who brought whom, around the day of an order: also oneself, in chains, and too late."""
    found = []
    by_account = [order for order in orders if order.customer_id and order.at]
    undated: set[str] = set()
    for second, order in enumerate(random.sample(by_account, min(110, len(by_account)))):
        assert order.at
        assert order.customer_id
        number = int(order.row_id.split("-")[1])
        referrer = random.choice(
            (
                *(f"c{random.randrange(people)}" for _ in range(6)),
                # Oneself, and the neighbours, who may be of one household.
                *(order.customer_id, f"c{number - 1}", f"c{number + 1}"),
            )
        )
        for minute in range(random.choice((1, 1, 1, 2))):
            days = random.choice((-40, -1, -1, 0, 0, 1, 40))
            # Of two referrals of one moment nobody could say which is the first.
            apart = timedelta(minutes=minute, seconds=second % 60)
            at = order.at + timedelta(days=days, hours=random.choice((0, -2, 2))) + apart
            dated = order.customer_id in undated or random.random() < 0.9
            undated |= set() if dated else {order.customer_id}
            found.append(Referral(referrer, order.customer_id, at if dated else None))
            referrer = f"c{random.randrange(people)}"
    return found


def loyalty_of(random: Random, accounts: list[Account]) -> list[Membership]:
    found = []
    for account in random.sample(accounts, len(accounts) // 4):
        joined = an_instant(random, a_day(random))
        left = joined + timedelta(days=random.choice((0, 1, 30, 400)))
        found.append(
            Membership(
                str(account.customer_id),
                random.choice(("active", "Active ", "lapsed", "pending")),
                sometimes(random, 0.8, joined),
                sometimes(random, 0.5, left),
            )
        )
    return found
