"""What tells that two customers are of one household."""

from __future__ import annotations

from collections import Counter
from datetime import date

from tests.dbt.oracle.facts import Person, World

Signs = dict[str, set[tuple[str, str]]]


def phones_of(person: Person) -> set[tuple[str, str]]:
    return {("phone", phone) for phone in person.phones}


def mailboxes_of(person: Person) -> set[tuple[str, str]]:
    """Addresses without what a mailbox ignores."""
    parts = [email.partition("@") for email in person.emails]
    return {("mailbox", f"{name.partition('+')[0]}@{domain}") for name, _, domain in parts}


def homes_of(person: Person, as_of: date) -> set[tuple[str, str]]:
    """The family name where they live, as far as both are known."""
    place = person.place_on(as_of)
    if not person.last_name or not place.postal_code:
        return set()
    home = f"{place.country} {place.postal_code}".replace(" ", "")
    return {(person.last_name.lower(), home.lower())}


def households(world: World) -> dict[str, Signs]:
    """By kind of sign: the signs of every person."""
    people = world.people.items()
    return {
        "phone": {key: phones_of(person) for key, person in people},
        "mailbox": {key: mailboxes_of(person) for key, person in people},
        "household": {key: homes_of(person, world.as_of) for key, person in people},
    }


def telling(found: Signs, max_cluster: int) -> Signs:
    """The signs of each person, without those that too many people share to mean anything."""
    shared_by = Counter(sign for signs in found.values() for sign in signs)
    return {
        key: {sign for sign in signs if shared_by[sign] <= max_cluster}
        for key, signs in found.items()
    }
