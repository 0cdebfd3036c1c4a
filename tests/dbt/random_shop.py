"""A random small shop: its people, and what they buy.

The randomness sits where mistakes sit: gaps and amounts on both sides of every threshold, orders a
second from local midnight and in the nights the clock changes, ties, and people who share
identifiers, homes, browsers and codes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from seeds.sample_shop.catalog import PRODUCTS
from tests.dbt.chance import (
    CLOCK_CHANGES,
    GAPS,
    LAST_INSTANT,
    OFFICE,
    PLACES,
    Draw,
    a_day,
    an_instant,
    sometimes,
)
from tests.dbt.history import AS_OF, Account, Checkout, Identifiers, Line, Order, Shop, local_day
from tests.dbt.random_offers import CAMPAIGNS, loyalty_of, open_checkouts, referrals_of, sends_of

Device = tuple[str | None, str | None]
Discounts = tuple[tuple[str, str, int], ...]

_NAMES = ("Abernook", "BIRCHALL", "Birchall", "Coldbrook", "Dovecote", "Emberly", "Farthing", None)
_CONSENTS = ("subscribed", "subscribed", "unsubscribed", "pending", "never", None)
_STATUSES = ("paid", "partially_refunded", "voided", "draft")
_PRICES = (900, 1600, 2500, 5999, 6000, 6001, 9800, 18900)
_SPENT = (4999, 5000, 5001, 5500, 9999, 10000, 10001)
_CODES = (
    *("WELCOME10", "welcome10 ", " Welcome15", "WELCOME10", "BREW15", "brew15", "SAVE", " save "),
    *("HOLIDAY20", "holiday20", "FALL-AB12", "FALL-AB123", "SPRING24", "", "FRIEND-ADA"),
)


def random_shop(seed: int, people: int = 240) -> Shop:
    """A shop of about `people` people; the same for the same seed."""
    random = Random(seed)
    accounts: list[Account] = []
    orders: list[Order] = []
    checkouts: list[Checkout] = []
    bought: list[Order] = []
    for person in range(people):
        identifiers = _identifiers(random, person)
        if random.random() < 0.7:
            accounts.append(_account(random, person, identifiers(random, account=True), accounts))
        if random.random() < 0.3:
            checkouts.extend(open_checkouts(random, person, identifiers))
        copied = bought if random.random() < 0.25 else []
        bought, started = _orders_of(random, person, identifiers, copied)
        orders.extend(bought)
        checkouts.extend(started)
    random.shuffle(orders)
    # Two rows of one account that differ would be rejected as a contradiction: the last one stays.
    accounts = list({account.customer_id: account for account in accounts}.values())
    return Shop(
        accounts,
        orders,
        checkouts,
        list(CAMPAIGNS),
        sends_of(random, orders, accounts),
        referrals_of(random, orders, people),
        loyalty_of(random, accounts),
        # Every third product has no known cost.
        {p.sku: p.cost for i, p in enumerate(PRODUCTS) if p.cost is not None and i % 3},
    )


def _account(
    random: Random, person: int, identifiers: Identifiers, before: list[Account]
) -> Account:
    at = None if random.random() < 0.2 else an_instant(random, a_day(random))
    base = at or an_instant(random, a_day(random))

    def word_at():
        moved = base + timedelta(days=random.choice((0, 0, -1, -7, -400, 1, 6, 40)))
        return sometimes(random, 0.8, min(moved, base) if local_day(moved) > AS_OF else moved)

    home = random.choice(_NAMES), random.choice(PLACES)
    if before and random.random() < 0.3:
        home = before[-1].last_name, before[-1].place
    return Account(
        "account",
        f"a{person}",
        at,
        *identifiers,
        last_name=home[0],
        place=home[1],
        email_consent=random.choice(_CONSENTS),
        email_consent_at=word_at(),
        sms_consent=random.choice(_CONSENTS),
        sms_consent_at=word_at(),
        tags=random.choice(("",) * 12 + ("vip, Loyalty", "LOYALTY MEMBER", "disloyalty")),
    )


def _orders_of(
    random: Random, person: int, identifiers: Draw, copied: list[Order]
) -> tuple[list[Order], list[Checkout]]:
    """Orders and their checkouts; with `copied`, as somebody else's a quarter later and before."""
    day = random.choice(CLOCK_CHANGES) if random.random() < 0.2 else a_day(random)
    instant = an_instant(random, day)
    orders: list[Order] = []
    checkouts: list[Checkout] = []
    habits = random.choice((0.0, 0.1, 0.5, 1.0)), random.random() < 0.03
    homes = random.choices(PLACES, k=2)
    browsers = (f"203.0.113.{person % 90}", "one"), (f"203.0.113.{max(person - 1, 0) % 90}", "one")
    for number in range(random.choice((0, 1, 1, 2, 2, 3, 3, 4, 6))):
        model = copied[number] if number < len(copied) else None
        if model and model.at:
            shifted = local_day(model.at) + timedelta(days=random.choice((0, 89, 90, 90, 91, -90)))
            instant = an_instant(random, shifted)
        row_id = f"o{random.randrange(1000):03}-{person}-{number}"
        token = None
        if random.random() < 0.3:
            token = f"t{person}-{number}"
            lead = random.choice((0.1, 20, 47, 49, 72, 96, 300, 500))
            started = instant - timedelta(hours=lead)
            changed = sometimes(
                random, 0.7, started + timedelta(hours=random.choice((0, lead / 2)))
            )
            checkouts.append(
                Checkout(
                    "checkout",
                    token,
                    started,
                    *identifiers(random),
                    updated_at=sometimes(random, 0.7, changed),
                    completed_at=sometimes(random, 0.5, instant),
                )
            )
        device: Device = random.choice((*browsers, browsers[0], OFFICE))
        if model and random.random() < 0.7:
            device = model.client_ip, model.user_agent
        codes = model.discounts if model else _discounts(random, person, habits[0], instant)
        orders.append(
            Order(
                "order",
                row_id,
                instant,
                *identifiers(random),
                **_goods(random, codes, resells=habits[1], at=instant),
                renewal=random.random() < 0.12,
                cancelled=random.random() < 0.05,
                test=random.random() < 0.02,
                tags=random.choices(("", "wholesale", "gift"), (95, 2, 3))[0],
                ship=random.choice((*homes, PLACES[-1])),
                # Some buy without the checkout they had begun.
                token=sometimes(random, 0.7, token),
                client_ip=sometimes(random, 0.9, device[0]),
                user_agent=sometimes(random, 0.9, device[1]),
            )
        )
        if random.random() < 0.1:
            continue
        day = local_day(instant) + timedelta(days=random.choice(GAPS))
        instant = an_instant(random, day)
    return orders, checkouts


def _goods(random: Random, discounts: Discounts, *, resells: bool, at: datetime) -> dict[str, Any]:
    """Lines and money of an order: net amounts near the spend tiers, prices near a rule's."""
    given = sum(amount for _, _, amount in discounts)
    wanted = random.choice(_SPENT) + given
    lines = [_line(random, random.choice(_PRICES)) for _ in range(random.choice((0, 0, 0, 1, 2)))]
    rest = wanted - sum(line.quantity * line.unit_price for line in lines)
    if resells:
        lines.append(_line(random, 18900, quantity=20))
    elif rest > 0 and random.random() < 0.85:
        lines.append(_line(random, rest, quantity=1))
    if random.random() < 0.03:
        lines = [_gift_card()] * random.choice((1, 2))
    elif random.random() < 0.05:
        lines.append(_gift_card())
    gross = sum(line.quantity * line.unit_price for line in lines) or random.choice((0, *_SPENT))
    if random.random() < 0.05:
        discounts = (*discounts, ("code", "HOLIDAY20", gross))
    given = min(sum(amount for _, _, amount in discounts), gross)
    if lines:
        lines[0] = _discounted(lines[0], given)
    shipping, tax = random.choice(((0, 0), (0, 0), (595, 412)))
    total = gross - given + shipping + tax
    refunded = random.choices((0, min(500, total), gross - given, total), (78, 12, 4, 6))[0]
    if refunded >= total > 0:
        lines = [_returned(line, line.quantity) for line in lines]
    elif random.random() < 0.15:
        lines = [_returned(line, random.randint(0, line.quantity)) for line in lines]
    # A draft that a code made free is invalid for two reasons.
    status = random.choices(_STATUSES, (90, 5, 2, 2) if total else (5, 0, 0, 5))[0]
    returned_at = min(at + timedelta(days=random.choice((0, 1, 20))), LAST_INSTANT)
    return {
        "gross": gross,
        "discount": given,
        "shipping": shipping,
        "tax": tax,
        "refunded": refunded,
        "status": status,
        "refunded_at": sometimes(random, 0.5, returned_at) if refunded else None,
        "says_gross": random.random() < 0.8,
        "discounts": discounts,
        "lines": tuple(lines),
    }


def _line(random: Random, price: int, quantity: int | None = None) -> Line:
    product = random.choice([p for p in PRODUCTS if not p.is_gift_card])
    count = quantity or random.choice((1, 1, 2))
    return Line(product.sku, product.category, product.vendor, count, price)


def _gift_card() -> Line:
    return Line("GIFT-50", "Gift cards", "Larkfield", 1, 5000, is_gift_card=True)


def _discounted(line: Line, given: int) -> Line:
    amount = min(given, line.quantity * line.unit_price)
    return Line(**{**vars(line), "discount": amount})


def _returned(line: Line, quantity: int) -> Line:
    return Line(**{**vars(line), "refunded_quantity": quantity})


def _discounts(random: Random, person: int, codes: float, at: datetime) -> Discounts:
    found = []
    if random.random() < 0.5:
        # In a campaign many use its code, or nearly its code.
        for campaign in CAMPAIGNS:
            if campaign.starts_on <= local_day(at) + timedelta(days=1) <= campaign.ends_on:
                pattern = campaign.code_pattern or f"vip{person}"
                code = pattern.replace("[A-Z0-9]{4}", f"{person:04}").replace("[0-9]+", "10")
                found.append(("code", random.choice(code.split("|")), 500))
    if random.random() < codes:
        own = (f"FALL-{person:04}", f"VIP{person}")
        neighbours = (f"FALL-{max(person - 1, 0):04}", f"FRIEND-P{max(person - 1, 0)}")
        code = random.choice((*_CODES, *_CODES, *own, *neighbours))
        found.append(("code", code, random.choice((0, 500, 1000))))
        if random.random() < 0.1:
            found.append(("code", random.choice(_CODES), 0))
    if random.random() < 0.1:
        found.append((random.choice(("automatic", "manual")), "", 500))
    return tuple(found)


def _identifiers(random: Random, person: int) -> Draw:
    """A way to draw identifiers for one person; some share theirs with the person before."""
    emails = [f"p{person}@mail.example"]
    phones: list[str] = []
    ids = [f"c{person}"]
    style = random.random()
    if style < 0.15:
        emails.append(f"changed{person}@mail.example")
    elif style < 0.25:
        emails = []
    elif style < 0.3:
        emails = [f"noreply@{random.randrange(3)}.example"]
    elif style < 0.36:
        # The mailbox of the one before in another spelling: one mailbox, two customers.
        emails = [f"p{max(person - 1, 0)}+deal@mail.example"]
    if random.random() < 0.5:
        phones.append(f"+1212555{100 + person // 2 % 100:04}")
    if random.random() < 0.1:
        phones.append(f"+1313555{100 + random.randrange(person + 1) % 100:04}")
    # Every ninth or so is also seen with the account of the one before: chains of several people.
    if random.random() < 0.12:
        ids.append(f"c{max(person - 1, 0)}")

    def draw(random: Random, *, account: bool = False) -> Identifiers:
        guest = f"g{random.randrange(10**9)}"
        customer_id = random.choice(ids) if account else random.choice((*ids, *ids, guest, None))
        email = random.choice(emails) if emails and (account or random.random() < 0.8) else None
        phone = random.choice(phones) if phones and random.random() < 0.6 else None
        return Identifiers(customer_id, email, phone)

    return draw
