"""Who is one customer, written from the rules and not from the SQL: merge until nothing merges."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from tests.dbt.history import Seen, Shop


def resolve(shop: Shop, as_of: date, max_cluster: int = 20) -> list[list[Seen]]:
    """The known customers, each as the rows that show them; rows of nobody are in none."""
    rows = [row for row in shop.seen if row.day is None or row.day <= as_of]
    emails = {id(row): _email(row) for row in rows}

    per_account = defaultdict(set)
    for row in rows:
        if row.customer_id and emails[id(row)]:
            per_account[row.customer_id].add(emails[id(row)])
    tills = {account for account, found in per_account.items() if len(found) > max_cluster}
    accounts = {id(row): None if row.customer_id in tills else row.customer_id for row in rows}

    # Pass 1: the same address or the same account is the same person.
    groups = _merge(
        [[row] for row in rows if emails[id(row)] or accounts[id(row)]],
        lambda row: {("email", emails[id(row)]), ("account", accounts[id(row)])},
    )
    only_phone = [
        row for row in rows if not emails[id(row)] and not accounts[id(row)] and row.phone
    ]

    # A phone of too many people is nobody's.
    owners: dict[str, int] = defaultdict(int)
    for group in groups:
        for phone in {row.phone for row in group if row.phone}:
            owners[phone] += 1
    phones = {
        id(row): row.phone if owners[row.phone or ""] <= max_cluster else None for row in rows
    }

    # Pass 2: people without an address are joined by phones, then brought to the one address found.
    with_email = [group for group in groups if any(emails[id(row)] for row in group)]
    without = [group for group in groups if not any(emails[id(row)] for row in group)]
    without += [[row] for row in only_phone if phones[id(row)]]
    people = [list(group) for group in with_email]
    for cluster in _merge(without, lambda row: {("phone", phones[id(row)])}):
        numbers = {phones[id(row)] for row in cluster} - {None}
        found = [
            position
            for position, group in enumerate(with_email)
            if numbers & {phones[id(row)] for row in group}
        ]
        if len(found) == 1:
            people[found[0]] += cluster
        else:
            people.append(cluster)
    return [person for person in people if any(row.source != "checkout" for row in person)]


def _email(row: Seen) -> str | None:
    return None if row.email is None or row.email.startswith("noreply@") else row.email


def _merge(groups: list[list[Seen]], names) -> list[list[Seen]]:
    merged: list[tuple[set[tuple[str, str | None]], list[Seen]]] = []
    for group in groups:
        known = {name for row in group for name in names(row) if name[1] is not None}
        members = list(group)
        apart = []
        for other_names, other_members in merged:
            if known & other_names:
                known |= other_names
                members += other_members
            else:
                apart.append((other_names, other_members))
        merged = [*apart, (known, members)]
    return [members for _, members in merged]
