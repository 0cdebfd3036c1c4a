"""Hand-made customers: midnight, the nights the clock changes, and both sides of each threshold."""

from datetime import UTC, date, datetime, time

from seeds.sample_shop.bench import Bench
from seeds.sample_shop.days import ZONE, ago, at
from seeds.sample_shop.orders import Discount

DST_BEGINS = date(2026, 3, 8)
DST_ENDS = date(2026, 11, 1)


def add_day_traps(bench: Bench) -> None:
    """Trap 3.15 and the edges of every window."""
    _clocks(bench)
    _recency_edges(bench)
    _entry_edges(bench)


def _clocks(bench: Bench) -> None:
    # trap 3.15: 23:30 on the last day is tomorrow in UTC, and belongs to the last day.
    tonight = bench.customer("trap-3-15-tonight", "Tobin Tonight")
    bench.buy(tonight, 60)
    bench.buy(tonight, ago(0, "23:30"), style="utc")
    # trap 3.15: 00:30 on the day 180 days ago, in summer time. With a fixed five hours it would be
    # the day before, and the customer would be churning.
    summer = bench.customer("trap-3-15-summer", "Summer Halfpastmidnight")
    bench.buy(summer, ago(180, "00:30"), style="utc")
    # trap 3.15: the same without a zone: the source meant the shop's clock.
    naive = bench.customer("trap-3-15-naive", "Naomi Nozone")
    bench.buy(naive, ago(180, "00:30"), style="naive")
    # trap 3.15: the night the clock jumps from 02:00 to 03:00: 61 minutes apart on the clock, one
    # minute in truth.
    spring = bench.customer("trap-3-15-spring", "Springer Forward")
    bench.buy(spring, at(DST_BEGINS, time(1, 59, 30)), style="utc")
    bench.buy(spring, at(DST_BEGINS, time(3, 0, 30)), style="utc")
    # trap 3.15: the night 01:30 comes twice. The first has the code, though both read 01:30.
    fall = bench.customer("trap-3-15-fall", "Autumn Backward")
    bench.buy(
        fall,
        datetime(2026, 11, 1, 5, 30, tzinfo=UTC).astimezone(ZONE),
        discounts=(Discount("code", "WELCOME10", percent=10),),
    )
    bench.buy(fall, datetime(2026, 11, 1, 6, 30, tzinfo=UTC).astimezone(ZONE))
    # trap 3.15: a day of 25 hours has 00:15 and 23:45, both its own.
    long = bench.customer("trap-3-15-long", "Langston Longday")
    bench.buy(long, at(DST_ENDS, time(0, 15)), style="utc")
    bench.buy(long, at(DST_ENDS, time(23, 45)), style="utc")


def _recency_edges(bench: Bench) -> None:
    # Both sides of active_days = 180 and lapse_days = 365, for one order and for three.
    for age, name in (
        (180, "Alva Active"),
        (181, "Cheyenne Churning"),
        (365, "Chester Churning"),
        (366, "Lapis Lapsed"),
    ):
        bench.buy(bench.customer(f"trap-edge-{age}-single", f"{name}one"), age)
        best = bench.customer(f"trap-edge-{age}-hvc", f"{name}best")
        for earlier in (300, 150, 0):
            bench.buy(best, age + earlier)
    # The last day inside new_window_days = 7 of each, and the first day after it.
    for age, name in (
        (187, "Clio Stillnew"),
        (188, "Clem Nolonger"),
        (372, "Lida Stillnew"),
        (373, "Lem Nolonger"),
    ):
        best = bench.customer(f"trap-edge-{age}-hvc", f"{name}{age}")
        for earlier in (300, 150, 0):
            bench.buy(best, age + earlier)


def _entry_edges(bench: Bench) -> None:
    # The second order 6 days ago is within the week, 7 days ago is not; the same for the third.
    for age, name in ((6, "Nova Newmulti"), (7, "Nolan Notmulti")):
        multi = bench.customer(f"trap-edge-{age}-second", name)
        bench.buy(multi, 90)
        bench.buy(multi, age)
    for age, name in ((6, "Hedda Newbest"), (7, "Hendrik Notbest")):
        best = bench.customer(f"trap-edge-{age}-third", name)
        bench.buy(best, 90)
        bench.buy(best, 50)
        bench.buy(best, age)
    # Second and third order in one week: no longer a new multi-buyer.
    fast = bench.customer("trap-edge-fast", "Faisal Fasttrack")
    for age in (80, 5, 2):
        bench.buy(fast, age)

    # R3.9: back after 366 days is won back, after 365 is not, 29 days ago still is, 30 is not.
    for suffix, ages, name in (
        ("366", (376, 10), "Winona Wonback"),
        ("365", (375, 10), "Wendell Notwon"),
        ("29-days", (500, 29), "Wilma Stillwon"),
        ("30-days", (500, 30), "Walt Nolongerwon"),
    ):
        back = bench.customer(f"trap-r3-9-{suffix}", name)
        for age in ages:
            bench.buy(back, age)
    # R3.9: an order after the return leaves the segment: its gap is short.
    again = bench.customer("trap-r3-9-again", "Wyatt Backagain")
    for age in (500, 20, 5):
        bench.buy(again, age)
    # R3.9: the return was two orders on one day; the gap is to the last earlier day.
    pair = bench.customer("trap-r3-9-pair", "Wanja Backtwice")
    bench.buy(pair, 500)
    bench.buy(pair, ago(8, "09:00"))
    bench.buy(pair, ago(8, "18:00"))

    # R2.6: the month of the last day begins at 00:00 local time on the 1st.
    first = bench.customer("trap-r2-6-first", "Fabia Firstofmonth")
    bench.buy(
        first, ago(20, "00:05"), style="utc", discounts=(Discount("code", "BREW15", percent=15),)
    )
