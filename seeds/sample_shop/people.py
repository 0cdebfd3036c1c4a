"""Customers: who they are, how they write their contacts, what they agreed to."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Literal

from seeds.sample_shop import catalog
from seeds.sample_shop.catalog import Place
from seeds.sample_shop.chance import Chance
from seeds.sample_shop.days import at, written
from seeds.sample_shop.tables import Tables

Taste = Literal["never", "sometimes", "always"]
"""How readily somebody uses discounts."""

NEW_YORK = catalog.PLACES[0][0]


@dataclass(frozen=True)
class Person:
    """A person as the shop's platform knows them; `phone` is exactly as it was typed."""

    customer_id: str | None
    first: str
    last: str
    email: str | None
    phone: str | None = None
    place: Place = NEW_YORK
    postal: str = "10027"
    created: datetime | None = None
    taste: Taste = "sometimes"
    ip: str | None = None
    agent: str | None = None
    consents: dict[str, str] = field(default_factory=dict)
    tags: str | None = None


def add_customer(tables: Tables, person: Person) -> None:
    """Write the person's row of `customers`; consent was asked when the account was made."""
    created = written(person.created) if person.created else None
    email_consent = person.consents.get("email")
    sms_consent = person.consents.get("sms")
    tables.add(
        "customers",
        customer_id=person.customer_id,
        email=person.email,
        phone=person.phone,
        first_name=person.first,
        last_name=person.last,
        created_at=created,
        country=person.place.country,
        region=person.place.region,
        city=person.place.city,
        postal_code=person.postal,
        email_consent=email_consent,
        email_consent_at=None if email_consent in {None, "never"} else created,
        sms_consent=sms_consent,
        sms_consent_at=None if sms_consent in {None, "never"} else created,
        tags=person.tags,
    )


class People:
    """Draws people nobody else is: no e-mail address and no phone number is given twice."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._drawn = 0
        self._lines = 0

    def draw(self, customer_id: str | None, joined: date) -> Person:
        """A new person whose account was made on that shop-local day."""
        chance = self._chance
        self._drawn += 1
        first = chance.pick(catalog.FIRST_NAMES)
        last = chance.pick(catalog.LAST_NAMES)
        place = chance.weighted(catalog.PLACES)
        domain = chance.pick(catalog.MAIL_DOMAINS)
        phone = self._phone() if chance.percent(72) else None
        taste: Taste = chance.weighted((("never", 34), ("sometimes", 40), ("always", 26)))
        return Person(
            customer_id=customer_id,
            first=first,
            last=last,
            email=f"{first}.{last}{self._drawn}@{domain}".lower(),
            phone=phone,
            place=place,
            postal=self._postal_code(place),
            created=at(joined, time(chance.between(8, 21), chance.below(60), chance.below(60))),
            taste=taste,
            # 2001:db8::/32 is the block kept for documentation.
            ip=f"2001:db8:{self._drawn:x}::{chance.between(1, 9)}" if chance.percent(60) else None,
            agent=chance.weighted(catalog.AGENTS),
            consents={
                "email": chance.weighted(
                    (("subscribed", 62), ("unsubscribed", 13), ("pending", 4), ("never", 21))
                ),
                "sms": chance.weighted((("subscribed", 30), ("unsubscribed", 8), ("never", 62)))
                if phone
                else "never",
            },
        )

    def _postal_code(self, place: Place) -> str:
        if place.country == "CA":
            return f"{place.postal}{self._chance.pick('ABEGHJ')}{self._chance.between(1, 9)}"
        return f"{place.postal}{self._chance.between(1, 40):02d}"

    def _phone(self) -> str:
        line = self._lines
        self._lines += 1
        code = catalog.AREA_CODES[line % len(catalog.AREA_CODES)]
        number = 100 + line // len(catalog.AREA_CODES)
        return self._chance.weighted(
            (
                (f"+1{code}555{number:04d}", 70),
                (f"({code}) 555-{number:04d}", 18),
                (f"{code}-555-{number:04d}", 8),
                (f"'+1{code}555{number:04d}", 4),
            )
        )
