"""The crowd: who joins, when they buy and when they stop. Everything but the hand-made traps."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from seeds.sample_shop.chance import Chance
from seeds.sample_shop.days import FIRST_DAY, LAST_DAY, at, days_ago
from seeds.sample_shop.people import People, Person

BUYERS = 1_660
GUESTS = 110
CONTACTS = 140
COUNTER_SALES = 170

# First orders by calendar month: gifts in November and December, quiet in late winter and July.
_MONTH_WEIGHTS = (6, 5, 6, 7, 9, 7, 5, 6, 8, 9, 14, 18)
_GROWTH = {2023: 9, 2024: 10, 2025: 11, 2026: 12}
_MONTH_BEFORE_THE_HOLIDAYS = 10
_LONGEST_VISIT_BEFORE_FIRST_ORDER = 40


@dataclass(frozen=True)
class Visit:
    """An order to come: who, when, and whether a subscription makes it."""

    person: Person
    when: datetime
    is_first: bool
    is_recurring: bool = False


@dataclass(frozen=True)
class Crowd:
    """The people with an account, and every visit of anybody, in order of time."""

    accounts: list[Person]
    visits: list[Visit]


def draw_crowd(chance: Chance) -> Crowd:
    """Draw everybody and all their visits up to the shop's last day."""
    people = People(chance)
    accounts: list[Person] = []
    visits: list[Visit] = []

    for days in _planned(chance) + [_days_of_a_buyer(chance) for _ in range(BUYERS)]:
        joined = max(
            days[0] - timedelta(days=chance.between(0, _LONGEST_VISIT_BEFORE_FIRST_ORDER)),
            FIRST_DAY,
        )
        if joined == days[0]:
            joined -= timedelta(days=1)
        person = people.draw(str(700_001 + len(accounts)), joined)
        accounts.append(person)
        is_recurring = len(days) > 3 and chance.percent(9)
        visits += _visits(chance, person, days, is_recurring=is_recurring)

    for number in range(GUESTS):
        guest = people.draw(None, LAST_DAY)
        days = _days_of_a_buyer(chance)[:4]
        # A guest gets a new customer id with every order, and types the address anew each time.
        for place, visit in enumerate(_visits(chance, guest, days, is_recurring=False)):
            again = replace(
                guest,
                customer_id=str(900_001 + number * 10 + place),
                email=_retyped(chance, guest.email or ""),
            )
            visits.append(replace(visit, person=again))

    for _ in range(CONTACTS):
        joined = LAST_DAY - timedelta(days=chance.between(0, 700))
        accounts.append(people.draw(str(700_001 + len(accounts)), joined))

    for _ in range(COUNTER_SALES):
        day = LAST_DAY - timedelta(days=chance.between(0, (LAST_DAY - FIRST_DAY).days))
        nobody = Person(customer_id=None, first="", last="", email=None)
        visits.append(Visit(nobody, _at_some_time(chance, day, opens=9, closes=18), is_first=False))

    visits.sort(key=lambda visit: visit.when)
    return Crowd(accounts, visits)


def _planned(chance: Chance) -> list[list[date]]:
    """Order days chosen so that every entry segment is inhabited on the last day and the next."""

    def back(*ages: int) -> list[date]:
        return [days_ago(age) for age in ages]

    between = chance.between
    second_order_this_week = [back(between(20, 170), between(0, 6)) for _ in range(26)]
    third_order_this_week = [
        back(between(150, 300), between(30, 140), between(0, 6)) for _ in range(22)
    ]
    quiet_since_half_a_year = [
        back(between(420, 600), between(300, 400), between(200, 290), between(181, 187))
        for _ in range(24)
    ]
    quiet_since_a_year = [
        back(between(640, 800), between(480, 620), between(390, 470), between(366, 372))
        for _ in range(22)
    ]
    back_after_a_year = [back(between(420, 800), between(0, 29)) for _ in range(26)]
    # These cross a threshold on the day after the last one.
    churning_tomorrow = [
        back(*ages, 180) for ages in ((), (260,), (400, 300), (520, 420, 230)) for _ in range(3)
    ]
    lapsed_tomorrow = [
        back(*ages, 365) for ages in ((), (460,), (600, 450), (700, 560, 420)) for _ in range(3)
    ]
    return [
        *second_order_this_week,
        *third_order_this_week,
        *quiet_since_half_a_year,
        *quiet_since_a_year,
        *back_after_a_year,
        *churning_tomorrow,
        *lapsed_tomorrow,
    ]


def _days_of_a_buyer(chance: Chance) -> list[date]:
    """The shop-local order days of one buyer, from the first order until they stop."""
    most = chance.weighted(((1, 42), (2, 17), (60, 41)))
    usual_gap = chance.between(25, 95)
    day = _first_day(chance)
    days = [day]
    while len(days) < most:
        gap = usual_gap * chance.between(40, 190) // 100 if most > 2 else chance.between(12, 260)
        day += timedelta(days=gap)
        if day.month == _MONTH_BEFORE_THE_HOLIDAYS and chance.percent(40):
            day += timedelta(days=chance.between(28, 45))
        if day > LAST_DAY or (most > 2 and chance.percent(12)):
            break
        days.append(day)
    return days


def _first_day(chance: Chance) -> date:
    months = [
        (date(year, month, 1), weight * growth)
        for year, growth in _GROWTH.items()
        for month, weight in enumerate(_MONTH_WEIGHTS, start=1)
        if FIRST_DAY.replace(day=1) <= date(year, month, 1) <= LAST_DAY
    ]
    while True:
        day = chance.weighted(months) + timedelta(days=chance.below(28))
        if FIRST_DAY <= day <= LAST_DAY:
            return day


def _visits(chance: Chance, person: Person, days: list[date], *, is_recurring: bool) -> list[Visit]:
    return [
        Visit(
            person,
            _at_some_time(chance, day, opens=6, closes=22),
            is_first=number == 0,
            is_recurring=is_recurring and number > 0,
        )
        for number, day in enumerate(days)
    ]


def _at_some_time(chance: Chance, day: date, *, opens: int, closes: int) -> datetime:
    hour = chance.between(opens, closes)
    return at(day, time(hour, chance.below(60), chance.below(60)))


def _retyped(chance: Chance, email: str) -> str:
    return chance.weighted(((email, 70), (email.title(), 20), (f" {email} ", 10)))
