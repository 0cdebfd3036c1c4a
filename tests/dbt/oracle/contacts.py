"""Signing up, consent, loyalty, and where somebody lives."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from tests.dbt.history import Place, local_day
from tests.dbt.oracle.facts import Person, World
from tests.dbt.oracle.rules import PLACES, Rules

# Of two words given at one moment the more restrictive one holds.
_STRICTNESS = ("subscribed", "pending", "never", "unsubscribed")


def on(day: date, person: Person, world: World) -> Iterator[str]:
    rules = world.rules
    has_bought = any(p.day <= day for p in person.purchases)
    signed_up = signed_up_on(person)
    if signed_up and signed_up <= day and _week(signed_up, rules) == _week(day, rules):
        yield "signed_up_this_week"
    known_for = (day - person.known_from).days
    is_new = rules.new_contact_days is None or known_for < rules.new_contact_days
    if is_new and not has_bought and (person.emails or person.phones):
        yield "new_contact"
    word, since = _latest_word_on_email(person)
    if word == "subscribed" and not has_bought and (since is None or since <= day):
        yield "subscriber_not_purchased"
    if _is_member(day, person, world):
        yield "loyalty_member"
    place = person.place_on(day)
    for rule in PLACES:
        if _fits(place, rule):
            yield rule["segment"]


def signed_up_on(person: Person) -> date | None:
    """The first of accounts and of words of yes, confirmed or not."""
    days = [account.day for account in person.accounts if account.day]
    for account in person.accounts:
        words = (
            (account.email_consent, account.email_consent_at),
            (account.sms_consent, account.sms_consent_at),
        )
        days += [local_day(at) for word, at in words if at and word in ("subscribed", "pending")]
    return min(days, default=None)


def _week(day: date, rules: Rules) -> date:
    """The first day of the day's week."""
    since = day.weekday() if rules.week_start == "monday" else (day.weekday() + 1) % 7
    return day - timedelta(days=since)


def _latest_word_on_email(person: Person) -> tuple[str | None, date | None]:
    words: list[tuple[datetime | None, str]] = [
        (account.email_consent_at, account.email_consent)
        for account in person.accounts
        if account.email_consent
    ]
    if not words:
        return None, None
    latest = max((at for at, _ in words if at), default=None)
    found = max((word for at, word in words if at == latest), key=_STRICTNESS.index)
    return found, local_day(latest) if latest else None


def _is_member(day: date, person: Person, world: World) -> bool:
    rules = world.rules
    for account in person.accounts:
        tags = {tag.strip().lower() for tag in account.tags.split(",")}
        if tags & set(rules.loyalty_tags):
            return True
    for row in world.shop.loyalty:
        if row.customer_id not in person.customer_ids:
            continue
        is_active = row.status.strip().lower() in rules.loyalty_active_statuses
        if not is_active and row.left_at is None:
            continue
        has_joined = row.joined_at is None or local_day(row.joined_at) <= day
        has_left = row.left_at is not None and local_day(row.left_at) <= day
        if has_joined and not has_left:
            return True
    return False


def _fits(place: Place, rule: dict[str, str]) -> bool:
    return all(
        not rule[column] or (value or "").lower() == rule[column].lower()
        for column, value in (
            ("country", place.country),
            ("region", place.region),
            ("city", place.city),
        )
    )
