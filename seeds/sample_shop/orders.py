"""One order: its lines, discounts, shipping, tax and refunds, adding up to the cent."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from seeds.sample_shop.catalog import BY_SKU
from seeds.sample_shop.days import Style, written
from seeds.sample_shop.people import Person
from seeds.sample_shop.tables import Tables, money

SHIPPING = 595
FREE_SHIPPING_FROM = 4500
"""US cents; shipping is free from this much merchandise after discounts."""


@dataclass(frozen=True)
class Discount:
    """One discount of an order: `percent` of the merchandise, or fixed `cents`."""

    kind: str
    code: str | None = None
    percent: int = 0
    cents: int = 0
    title: str | None = None
    target: str = "line_item"


@dataclass(frozen=True)
class Refund:
    """Money given back `days` after the order: `cents`, or all that is left when None."""

    days: int
    cents: int | None = None


@dataclass(frozen=True)
class Order:
    """An order to be written. `basket` holds (sku, quantity) pairs; a `free` one costs nothing."""

    order_id: str
    person: Person
    when: datetime
    basket: tuple[tuple[str, int], ...] = (("BEAN-HOUSE", 1),)
    discounts: tuple[Discount, ...] = ()
    refunds: tuple[Refund, ...] = ()
    status: str = "paid"
    source: str = "web"
    tags: str | None = None
    style: Style = "offset"
    cancelled: datetime | None = None
    token: str | None = None
    is_test: bool = False
    free: bool = False
    with_phone: bool = False


def add_order(tables: Tables, order: Order) -> int:
    """Write the order and everything below it; returns its total in cents."""
    prices = [0 if order.free else BY_SKU[sku].price for sku, _ in order.basket]
    values = [price * count for price, (_, count) in zip(prices, order.basket, strict=True)]
    merchandise = sum(values)
    given = [_worth(discount, merchandise) for discount in order.discounts]
    discount = min(merchandise, sum(given))
    only_gift_cards = all(BY_SKU[sku].is_gift_card for sku, _ in order.basket)
    paid = merchandise - discount
    carries = paid > 0 and not only_gift_cards and order.source != "pos"
    waived = any(item.target == "shipping" for item in order.discounts)
    shipping = SHIPPING if carries and paid < FREE_SHIPPING_FROM and not waived else 0
    tax = 0 if only_gift_cards else paid * order.person.place.tax // 10_000
    total = paid + shipping + tax

    saved = SHIPPING if waived and carries and paid < FREE_SHIPPING_FROM else 0
    _add_discounts(tables, order, given, saved)
    refunded = _add_refunds(tables, order, total)
    whole = total > 0 and refunded == total
    _add_lines(tables, order, prices, _shares(discount, values), is_returned=whole)
    tables.add(
        "orders",
        order_id=order.order_id,
        ordered_at=written(order.when, order.style),
        total_amount=money(total),
        customer_id=order.person.customer_id,
        email=order.person.email,
        phone=order.person.phone if order.with_phone else None,
        updated_at=written(_last_change(order), order.style),
        cancelled_at=written(order.cancelled, order.style) if order.cancelled else None,
        financial_status=_status(order, refunded=refunded, is_whole=whole),
        is_test=order.is_test,
        source_name=order.source,
        currency="USD",
        gross_amount=money(merchandise),
        discount_amount=money(discount),
        shipping_amount=money(shipping),
        tax_amount=money(tax),
        refunded_amount=money(refunded),
        tags=order.tags,
        checkout_token=order.token,
        **_delivery(order),
    )
    return total


def _delivery(order: Order) -> dict[str, str | None]:
    # A sale at the counter is shipped nowhere and comes from no browser.
    if order.source == "pos":
        return {}
    person = order.person
    return {
        "ship_country": person.place.country,
        "ship_region": person.place.region,
        "ship_city": person.place.city,
        "ship_postal_code": person.postal,
        "client_ip": person.ip,
        "user_agent": person.agent,
    }


def _worth(discount: Discount, merchandise: int) -> int:
    # A waived shipping fee is money on the shipping line and never lowers the merchandise.
    if discount.target == "shipping":
        return 0
    return discount.cents or merchandise * discount.percent // 100


def _shares(discount: int, values: list[int]) -> list[int]:
    whole = sum(values)
    shares = [discount * value // whole if whole else 0 for value in values]
    shares[-1] += discount - sum(shares)
    return shares


def _add_discounts(tables: Tables, order: Order, given: list[int], saved: int) -> None:
    for index, (discount, amount) in enumerate(zip(order.discounts, given, strict=True)):
        tables.add(
            "order_discounts",
            order_id=order.order_id,
            kind=discount.kind,
            discount_index=index,
            code=discount.code,
            title=discount.title,
            target=discount.target,
            amount=money(saved if discount.target == "shipping" else amount),
        )


def _add_refunds(tables: Tables, order: Order, total: int) -> int:
    refunded = 0
    for number, refund in enumerate(order.refunds, start=1):
        amount = total - refunded if refund.cents is None else min(refund.cents, total - refunded)
        refunded += amount
        tables.add(
            "refunds",
            refund_id=f"{order.order_id}-r{number}",
            order_id=order.order_id,
            refunded_at=written(order.when + timedelta(days=refund.days), order.style),
            amount=money(amount),
        )
    return refunded


def _add_lines(
    tables: Tables, order: Order, prices: list[int], shares: list[int], *, is_returned: bool
) -> None:
    for number, ((sku, count), price, share) in enumerate(
        zip(order.basket, prices, shares, strict=True), start=1
    ):
        product = BY_SKU[sku]
        tables.add(
            "order_lines",
            order_id=order.order_id,
            line_id=number,
            sku=sku,
            product_id=sku.lower(),
            title=product.title,
            category=product.category,
            vendor=product.vendor,
            quantity=count,
            unit_price=money(price),
            discount_amount=money(share),
            is_gift_card=product.is_gift_card,
            refunded_quantity=count if is_returned else 0,
        )


def _last_change(order: Order) -> datetime:
    changes = [order.when + timedelta(days=refund.days) for refund in order.refunds]
    return max([order.when, *changes, *([order.cancelled] if order.cancelled else [])])


def _status(order: Order, *, refunded: int, is_whole: bool) -> str:
    if order.status != "paid" or not refunded:
        return order.status
    return "refunded" if is_whole else "partially_refunded"
