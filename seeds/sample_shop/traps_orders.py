"""Hand-made customers: orders that look like purchases and are not, and discounts that hide."""

from seeds.sample_shop.bench import Bench, hours_later
from seeds.sample_shop.days import ago
from seeds.sample_shop.orders import Discount, Refund


def add_order_traps(bench: Bench) -> None:
    """Traps 3.1 to 3.10, 3.16, 3.19, 3.20, 3.22 and 3.23."""
    _validity(bench)
    _money(bench)
    _discount_kinds(bench)
    _codes(bench)
    _recurring_and_wholesale(bench)
    _ties(bench)


def _validity(bench: Bench) -> None:
    # trap 3.1: a cancelled second order makes nobody a multi-buyer, cancelled only is a non-buyer.
    calm = bench.customer("trap-3-1", "Calla Cancelwell")
    bench.buy(calm, 40)
    bench.buy(calm, 3, cancelled=hours_later(ago(3), 5))
    only = bench.customer("trap-3-1-only", "Otto Cancelonly")
    bench.buy(only, 60, cancelled=hours_later(ago(60), 2), refunds=(Refund(1),))
    # trap 3.1: cancelled and still `paid`, before the money went back.
    still = bench.customer("trap-3-1-paid", "Paula Cancelpaid")
    bench.buy(still, 90)
    bench.buy(still, 80)
    bench.buy(still, 1, cancelled=hours_later(ago(1), 1))

    # trap 3.2: the shop's own test order.
    tester = bench.customer("trap-3-2", "Tess Testerly")
    bench.buy(tester, 50)
    bench.buy(tester, 20, is_test=True)

    # trap 3.4: voided is out, pending and authorized are in.
    voided = bench.customer("trap-3-4-voided", "Vito Voidman")
    bench.buy(voided, 70)
    bench.buy(voided, 30, status="voided")
    pending = bench.customer("trap-3-4-pending", "Penny Pendle")
    bench.buy(pending, 70)
    bench.buy(pending, 30, status="pending")
    authorized = bench.customer("trap-3-4-authorized", "Arthur Authby")
    bench.buy(authorized, 70)
    bench.buy(authorized, 30, status="authorized")
    # trap 3.4: a status nobody has heard of is valid.
    unknown = bench.customer("trap-3-4-unknown", "Una Unknowles")
    bench.buy(unknown, 70)
    bench.buy(unknown, 30, status="settled_by_courier")

    # trap 3.5: an open draft is no order; a completed one is, and brings a manual discount.
    draft = bench.customer("trap-3-5-draft", "Drew Draftson")
    bench.buy(draft, 45)
    bench.buy(draft, 15, status="draft", source="draft_order")
    completed = bench.customer("trap-3-5-completed", "Coral Draftdone")
    bench.buy(completed, 45)
    bench.buy(
        completed,
        15,
        source="shopify_draft_order",
        discounts=(Discount("manual", percent=15, title="Phone order"),),
    )

    # trap 3.6: the replacement of an exchange costs nothing.
    exchange = bench.customer("trap-3-6", "Xena Exchangefield")
    bench.buy(exchange, 35, basket=(("MUG-SAGE", 1),))
    bench.buy(exchange, 25, basket=(("MUG-SAND", 1),), free=True, tags="exchange")

    # trap 3.7: free samples, and an order that a code made free, are no purchases.
    seeded = bench.customer("trap-3-7", "Sasha Sampleton")
    bench.buy(seeded, 100, discounts=(Discount("code", "PRESS100", percent=100),))
    bench.buy(seeded, 60)
    sampled = bench.customer("trap-3-7-only", "Sid Sampleonly")
    bench.buy(sampled, 80, free=True, tags="sample")

    # trap 3.8: buying only a gift card is no purchase of goods; a card beside goods is.
    giver = bench.customer("trap-3-8-only", "Gilda Giftcard")
    bench.buy(giver, 75)
    bench.buy(giver, 25, basket=(("GIFT-50", 1), ("GIFT-25", 2)))
    mixed = bench.customer("trap-3-8-mixed", "Milo Giftmix")
    bench.buy(mixed, 75)
    bench.buy(mixed, 25, basket=(("GIFT-25", 1), ("BEAN-DARK", 1)))


def _money(bench: Bench) -> None:
    # trap 3.3: who sent everything back is no repeat buyer; who sent a part back is.
    full = bench.customer("trap-3-3-full", "Fulton Refundall")
    bench.buy(full, 120)
    bench.buy(full, 70, refunds=(Refund(10),))
    partial = bench.customer("trap-3-3-partial", "Portia Refundpart")
    bench.buy(partial, 120)
    bench.buy(partial, 70, basket=(("KETTLE", 1),), refunds=(Refund(12, 2500),))
    # trap 3.3: the status lags behind the money, two refunds together are the whole order.
    lagging = bench.customer("trap-3-3-amount", "Lagan Refundlate")
    bench.buy(lagging, 120)
    bench.buy(lagging, 70, status="partially_refunded", refunds=(Refund(5, 600), Refund(9)))

    # trap 3.16: the refund comes seven weeks later and changes what is known about an old day.
    late = bench.customer("trap-3-16", "Latham Weekslater")
    bench.buy(late, 200)
    bench.buy(late, 60, refunds=(Refund(49),))

    # trap 3.23: three lines, two codes, two refunds: joined, the order counts twelve times.
    fan = bench.customer("trap-3-23", "Fanny Fanout")
    bench.buy(
        fan,
        55,
        basket=(("PRESS-8C", 1), ("BEAN-ETHI", 2), ("FILTERS", 3)),
        discounts=(
            Discount("code", "BREW15", cents=900),
            Discount("code", "LOVECOFFEE", cents=450),
        ),
        refunds=(Refund(6, 900), Refund(20, 300)),
    )


def _discount_kinds(bench: Bench) -> None:
    # trap 3.9: a discount without a code is a discount, but no code was used.
    for kind, name in (
        ("automatic", "Otis Automatic"),
        ("manual", "Mara Manualby"),
        ("script", "Scarlet Scripter"),
        ("app", "Apollo Appleapp"),
    ):
        person = bench.customer(f"trap-3-9-{kind}", name)
        bench.buy(person, 65, discounts=(Discount(kind, percent=10, title="Spring event"),))
        bench.buy(person, 20)
    # trap 3.9: a code that gave nothing, and one that only waived shipping, were used.
    nothing = bench.customer("trap-3-9-zero", "Zeno Zerocode")
    bench.buy(nothing, 65, discounts=(Discount("code", "THANKYOU"),))
    shipping = bench.customer("trap-3-9-shipping", "Shira Freeship")
    bench.buy(shipping, 65, discounts=(Discount("code", "FREESHIP", target="shipping"),))
    both = bench.customer("trap-3-9-both", "Bodil Bothkinds")
    bench.buy(
        both,
        65,
        basket=(("THROW", 1),),
        discounts=(Discount("automatic", percent=10), Discount("code", "MORNING5", cents=500)),
    )
    # trap 3.9: no discount record at all, ever.
    full = bench.customer("trap-3-9-none", "Fleur Fullprice")
    bench.buy(full, 65)
    bench.buy(full, 20)
    # trap 3.1 and 3.9: the only code was on an order that was cancelled.
    lost = bench.customer("trap-3-9-cancelled", "Lorne Lostcode")
    bench.buy(lost, 65)
    bench.buy(
        lost,
        10,
        discounts=(Discount("code", "BREW15", percent=15),),
        cancelled=hours_later(ago(10), 3),
    )


def _codes(bench: Bench) -> None:
    # trap 3.10: one code in three spellings is one code.
    speller = bench.customer("trap-3-10", "Sparrow Spellings")
    for age, code in ((90, "welcome10"), (60, " WELCOME10 "), (30, "Welcome10")):
        bench.buy(speller, age, discounts=(Discount("code", code, percent=10),))
    # trap 3.10: two codes on one order are one order with a code, in the month of the last day.
    several = bench.customer("trap-3-10-several", "Severin Twocodes")
    bench.buy(
        several,
        12,
        discounts=(
            Discount("code", "MORNING5", cents=500),
            Discount("code", "FREESHIP", target="shipping"),
        ),
    )
    # trap 3.10: a code of last month, at 23:30 on its last day, which is this month in UTC.
    bench.buy(
        bench.customer("trap-3-10-month", "Octavia Lastmonth"),
        ago(21, "23:30"),
        style="utc",
        discounts=(Discount("code", "BREW15", percent=15),),
    )
    # A unique code of a mailed campaign, used by somebody who was never mailed it.
    bench.buy(
        bench.customer("trap-shared-code", "Shelby Sharedcode"),
        15,
        discounts=(Discount("code", "fall-ab12", percent=15),),
    )


def _recurring_and_wholesale(bench: Bench) -> None:
    # trap 3.19: a subscription makes anybody a high-value customer in three months.
    subscriber = bench.customer("trap-3-19", "Subira Subscription")
    bench.buy(subscriber, 100, tags="Subscription, Subscription First Order")
    for age in (70, 40, 10):
        bench.buy(
            subscriber,
            age,
            source="subscription_contract",
            tags="Subscription, Subscription Recurring Order",
        )

    # trap 3.20: a cafe that buys in bulk is no consumer.
    cafe = bench.customer("trap-3-20-wholesale", "Corner Cafeteria", tags="wholesale")
    for age in (80, 50, 20):
        bench.buy(cafe, age, basket=(("BEAN-5LB", 12),), tags="Wholesale, net-30")


def _ties(bench: Bench) -> None:
    # trap 3.22: two orders in the same second; the smaller order id comes first, and it has the
    # code. The file names them the other way round.
    tie = bench.customer("trap-3-22", "Tibor Tiebreak")
    moment = ago(33, "10:00")
    bench.buy(tie, moment, "trap-3-22-z")
    bench.buy(tie, moment, "trap-3-22-a", discounts=(Discount("code", "WELCOME10", percent=10),))
    # trap 3.22: the same day, some hours apart: two orders, unless a day's orders count as one.
    twice = bench.customer("trap-3-22-day", "Twyla Twiceaday")
    bench.buy(twice, ago(4, "09:00"))
    bench.buy(twice, ago(4, "20:00"))
    # An order that the source delivered twice, word for word, is one order.
    double = bench.customer("trap-duplicate", "Dupree Doubledrow")
    bench.buy(double, 44)
    bench.tables.rows["orders"].append(dict(bench.tables.rows["orders"][-1]))
