"""A workbench for hand-made customers: short words for a person and for their orders."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from seeds.sample_shop.days import ago
from seeds.sample_shop.orders import Order, add_order
from seeds.sample_shop.people import Person, add_customer
from seeds.sample_shop.tables import Tables

_SUBSCRIBED = {"email": "subscribed", "sms": "never"}


class Bench:
    """Writes hand-made people and orders into the tables."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._orders: dict[str, int] = {}

    def customer(self, customer_id: str, name: str, **details: Any) -> Person:
        """A person with an account, made two and a half years ago unless `created` says else."""
        person = self.stranger(customer_id, name, **details)
        add_customer(self.tables, person)
        return person

    def stranger(self, customer_id: str | None, name: str, **details: Any) -> Person:
        """A person who is in no `customers` row."""
        first, _, last = name.partition(" ")
        known = {
            "email": f"{first}.{last}@mail.example".lower(),
            "created": ago(900, "10:00"),
            "consents": _SUBSCRIBED,
            **details,
        }
        return Person(customer_id=customer_id, first=first, last=last, **known)

    def buy(
        self, person: Person, when: datetime | int, trap: str | None = None, **details: Any
    ) -> str:
        """An order of the person, at an instant or that many days before the last day.

        Args:
            person: The buyer.
            when: The instant, or the age in shop-local days (12:30 local time).
            trap: The start of the order id; the person's customer id unless given.
            **details: Fields of `Order`.

        Returns:
            The order id: the trap's id and a number that counts up.
        """
        stem = trap or person.customer_id or "nobody"
        self._orders[stem] = self._orders.get(stem, 0) + 1
        order_id = f"{stem}-{self._orders[stem]}"
        moment = ago(when) if isinstance(when, int) else when
        add_order(self.tables, Order(order_id=order_id, person=person, when=moment, **details))
        return order_id

    @staticmethod
    def also(person: Person, **changes: Any) -> Person:
        """The same person with other contacts or another customer id."""
        return replace(person, **changes)


def hours_later(when: datetime, hours: int) -> datetime:
    """An instant some hours after another."""
    return when + timedelta(hours=hours)
