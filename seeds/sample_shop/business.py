"""What happens around the visits: mailings, baskets, discounts, refunds, carts, loyalty."""

from datetime import datetime, timedelta

from seeds.sample_shop import catalog
from seeds.sample_shop.catalog import CAMPAIGNS, Campaign
from seeds.sample_shop.chance import Chance
from seeds.sample_shop.days import LAST_DAY, ago, at, days_ago, written
from seeds.sample_shop.orders import Discount, Order, Refund, add_order
from seeds.sample_shop.people import Person
from seeds.sample_shop.population import Crowd, Visit
from seeds.sample_shop.tables import Tables, money

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""No letter or digit that is taken for another one on paper."""

_SHARED_CODES = ("BREW15", "LOVECOFFEE", "MORNING5", "BREW15")
_MAILED = 300
_FIRST_ORDER_NUMBER = 10_001
_CARTS = 85

Sent = dict[tuple[str, str], str]
"""The code that a campaign gave a customer, by (campaign_id, customer_id)."""


def add_campaigns(tables: Tables, chance: Chance, crowd: Crowd) -> Sent:
    """Write the campaigns and their mailings; returns the code each recipient was given."""
    sent: Sent = {}
    for campaign in CAMPAIGNS:
        tables.add(
            "campaigns",
            campaign_id=campaign.campaign_id,
            name=campaign.name,
            code_pattern=campaign.pattern,
            starts_on=campaign.starts_on,
            ends_on=campaign.ends_on,
        )
        start = at(campaign.starts_on).replace(hour=7, minute=0)
        reachable = [
            person
            for person in crowd.accounts
            if person.consents.get("email") == "subscribed"
            and person.created is not None
            and person.created < start
        ]
        given: set[str] = set()
        for person in chance.sample(reachable, _MAILED):
            code = _campaign_code(chance, campaign, given)
            sent[campaign.campaign_id, person.customer_id or ""] = code
            tables.add(
                "campaign_sends",
                campaign_id=campaign.campaign_id,
                sent_at=written(start + timedelta(minutes=chance.below(90))),
                customer_id=person.customer_id,
                email=person.email,
                code=code,
            )
    return sent


def add_visits(tables: Tables, chance: Chance, crowd: Crowd, sent: Sent) -> None:
    """Write an order for every visit, numbered in order of time."""
    for number, visit in enumerate(crowd.visits, start=_FIRST_ORDER_NUMBER):
        add_order(tables, _order(tables, chance, str(number), visit, sent))


def add_carts(tables: Tables, chance: Chance, crowd: Crowd) -> None:
    """Write checkouts of the last six weeks that never became an order."""
    for number in range(_CARTS):
        person = chance.pick(crowd.accounts)
        began = ago(chance.between(0, 40), "08:00") + timedelta(minutes=chance.below(600))
        is_unknown = chance.percent(8)
        tables.add(
            "checkouts",
            checkout_token=f"open-{number + 1:04d}",
            created_at=written(began),
            updated_at=written(began + timedelta(minutes=chance.between(1, 50))),
            customer_id=None if is_unknown else person.customer_id,
            email=None if is_unknown else person.email,
            total_amount=money(chance.between(1400, 16000)),
        )


def add_programmes(tables: Tables, chance: Chance, crowd: Crowd) -> None:
    """Write loyalty members, referrals, costs and suppressions."""
    for person in chance.sample(crowd.accounts, 480):
        joined = person.created or ago(1)
        has_left = chance.percent(9)
        points = chance.between(0, 900)
        tables.add(
            "loyalty_members",
            customer_id=person.customer_id,
            status="cancelled" if has_left else "active",
            tier="gold" if points > 700 else "silver" if points > 300 else "bronze",
            points=points,
            joined_at=written(joined),
            left_at=written(max(joined, ago(chance.between(1, 90)))) if has_left else None,
        )
    for friend, newcomer in zip(
        chance.sample(crowd.accounts[:900], 60),
        chance.sample(crowd.accounts[900:], 60),
        strict=True,
    ):
        tables.add(
            "referrals",
            referrer_customer_id=friend.customer_id,
            referred_customer_id=newcomer.customer_id,
            referred_at=written(newcomer.created or ago(1)),
        )
    for product in catalog.PRODUCTS:
        if product.cost is not None:
            tables.add("costs", sku=product.sku, unit_cost=money(product.cost))
    reasons = (
        ("email", "bounced"),
        ("email", "complained"),
        ("sms", "stopped"),
        ("ads", "opted out"),
    )
    for person in chance.sample(crowd.accounts, 44):
        channel, reason = chance.pick(reasons)
        tables.add(
            "suppressions",
            email=person.email if channel != "sms" else None,
            phone=person.phone if channel == "sms" else None,
            channel=channel if person.phone or channel != "sms" else "all",
            reason=reason,
            since=written(ago(chance.between(1, 300))),
        )


def _campaign_code(chance: Chance, campaign: Campaign, given: set[str]) -> str:
    if campaign.prefix is None:
        return campaign.shared or ""
    code = campaign.prefix + chance.text(LETTERS, 4)
    while code in given:
        code = campaign.prefix + chance.text(LETTERS, 4)
    given.add(code)
    return code


def _order(tables: Tables, chance: Chance, order_id: str, visit: Visit, sent: Sent) -> Order:
    is_counter = visit.person.email is None or chance.percent(4)
    age = (at(LAST_DAY) - visit.when).days
    refunds: tuple[Refund, ...] = ()
    if age > 50 and chance.permille(45):
        refunds = (Refund(chance.between(3, 45), None if chance.percent(45) else 700),)
    is_cancelled = not refunds and age > 3 and chance.permille(22)
    status = "paid"
    if not refunds:
        status = chance.weighted(
            (("paid", 985), ("voided", 4), ("pending" if age < 9 else "paid", 11))
        )
    source = "pos" if is_counter else "subscription_contract" if visit.is_recurring else "web"
    is_gift = chance.permille(9)
    return Order(
        order_id=order_id,
        person=visit.person,
        when=visit.when,
        basket=(("GIFT-50", 1),) if is_gift else _basket(chance),
        discounts=() if is_gift or is_counter else _discounts(chance, visit, sent),
        refunds=refunds,
        status=status,
        source=source,
        tags="Subscription, Subscription Recurring Order" if visit.is_recurring else None,
        # The till writes shop-local time without a zone; an old web shop wrote UTC.
        style="naive" if is_counter else "utc" if chance.percent(15) else "offset",
        cancelled=visit.when + timedelta(hours=chance.between(1, 48)) if is_cancelled else None,
        token=None if is_counter else _completed_checkout(tables, order_id, visit),
        is_test=chance.permille(2),
        with_phone=chance.percent(25),
    )


def _basket(chance: Chance) -> tuple[tuple[str, int], ...]:
    lines = chance.weighted(((1, 58), (2, 30), (3, 12)))
    skus: dict[str, int] = {}
    for _ in range(lines):
        skus.setdefault(
            chance.weighted(catalog.DEMAND), chance.weighted(((1, 78), (2, 17), (3, 5)))
        )
    return tuple(skus.items())


def _discounts(chance: Chance, visit: Visit, sent: Sent) -> tuple[Discount, ...]:
    person = visit.person
    if visit.is_recurring:
        return (Discount("automatic", percent=10, title="Subscribe and save"),)
    if person.taste == "never":
        return ()
    mailed = _running_code(person, visit.when, sent)
    if mailed and chance.percent(80):
        code, percent = mailed
        return (Discount("code", code, percent=percent, title=code),)
    if person.taste == "always" or chance.percent(34):
        return (_everyday_discount(chance, is_first=visit.is_first),)
    return ()


def _everyday_discount(chance: Chance, *, is_first: bool) -> Discount:
    if is_first and chance.percent(55):
        return Discount("code", "WELCOME10", percent=10, title="WELCOME10")
    kind = chance.weighted(
        (("code", 62), ("automatic", 20), ("manual", 5), ("script", 5), ("app", 8))
    )
    if kind != "code":
        return Discount(kind, percent=10, title=f"{kind.capitalize()} 10%")
    if chance.percent(14):
        return Discount("code", "FREESHIP", title="FREESHIP", target="shipping")
    code = chance.pick(_SHARED_CODES)
    typed = chance.weighted(((code, 90), (code.lower(), 10)))
    return Discount("code", typed, percent=12, title=code)


def _running_code(person: Person, when: datetime, sent: Sent) -> tuple[str, int] | None:
    for campaign in CAMPAIGNS:
        if campaign.starts_on <= when.date() <= campaign.ends_on:
            code = sent.get((campaign.campaign_id, person.customer_id or ""))
            # A shared code travels: people who were never mailed use it as well.
            if code or campaign.shared:
                return code or campaign.shared or "", campaign.percent
    return None


def _completed_checkout(tables: Tables, order_id: str, visit: Visit) -> str | None:
    if visit.when.date() < days_ago(45) or visit.is_recurring:
        return None
    token = f"done-{order_id}"
    tables.add(
        "checkouts",
        checkout_token=token,
        created_at=written(visit.when - timedelta(minutes=12)),
        updated_at=written(visit.when),
        completed_at=written(visit.when),
        customer_id=visit.person.customer_id,
        email=visit.person.email,
    )
    return token
