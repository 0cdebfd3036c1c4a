"""What a vendor can be asked and told about single people and about its own objects.

Beside sending, which :mod:`syncs.destinations.base` describes: reading back what it holds, telling
how an object of ours is doing, and forgetting a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, Protocol, runtime_checkable

Kind = Literal["email", "phone"]


@dataclass(frozen=True)
class Identifiers:
    """What one person (or several, where a vendor takes them together) is known by.

    Attributes:
        emails: normalised, lower-case.
        phones: E.164, with the plus sign.
    """

    emails: tuple[str, ...] = field(default=(), repr=False)
    phones: tuple[str, ...] = field(default=(), repr=False)

    def each(self) -> tuple[tuple[Kind, str], ...]:
        """Every identifier with its kind."""
        return (
            *(("email", value) for value in self.emails),
            *(("phone", value) for value in self.phones),
        )


class ErasureState(StrEnum):
    """How far an erasure is at one vendor."""

    DONE = "done"  # nobody is there, or the vendor can confirm no more than it has
    ACCEPTED = "accepted"  # the vendor works on it: ask ``erased`` later
    OPEN = "open"  # refused, nothing was erased: ask again, and tell a person


@dataclass(frozen=True)
class Erasure:
    """The vendor's answer to one erasure request.

    Attributes:
        reference: what :meth:`Erases.erased` needs to ask how it went; holds no personal data.
        code: the vendor's own code of a refusal.
        reason: why it is still open, without personal data.
    """

    state: ErasureState
    reference: str = ""
    code: str = ""
    reason: str = ""


NOBODY_NAMED: Final = Erasure(
    ErasureState.OPEN, code="no_identifier", reason="no e-mail and no phone to ask with"
)


@dataclass(frozen=True)
class AudienceState:
    """What the vendor says of one object of ours.

    Attributes:
        exists: False when it was deleted; everything else is then empty.
        operation_code: whether it takes changes; None when not told.
        delivery_code: whether it can be used; None when not told.
        lowest: lower bound of its size. Sizes are blurred, late, and of matched people only: no
            more than a surprise of an order of magnitude means anything.
        highest: upper bound of its size.
    """

    exists: bool
    name: str = ""
    operation_code: int | None = None
    delivery_code: int | None = None
    lowest: int | None = None
    highest: int | None = None


@runtime_checkable
class ReadsBack(Protocol):
    """Can tell which people it has, with what was set on them."""

    @property
    def lookup_rows(self) -> int:
        """Identifiers asked for in one request."""

    async def held(
        self, kind: Kind, identifiers: Sequence[str], names: Sequence[str]
    ) -> Mapping[str, Mapping[str, object]]:
        """The people the vendor has, by identifier, with the values of these properties.

        Args:
            kind: what ``identifiers`` are.
            identifiers: normalised; any number, asked for ``lookup_rows`` at a time.
            names: properties to read, spelt as at the vendor.

        Returns:
            Somebody unknown is no key; a property that is not set is no key of theirs. Compare
            values with :func:`same_value`.

        Raises:
            DeliveryError: the vendor could not be asked, or gave no list.
        """


@runtime_checkable
class DescribesObjects(Protocol):
    """Can tell how an object of ours is doing, though not who is in it."""

    async def describe(self, object_id: str) -> AudienceState:
        """The present state of one object.

        Raises:
            DeliveryError: the vendor could not be asked.
        """


@runtime_checkable
class Erases(Protocol):
    """Can be told to forget a person. Asking twice is harmless."""

    async def erase(self, person: Identifiers) -> Erasure:
        """Ask for the erasure of everything known under any of the identifiers.

        Raises:
            DeliveryError: nothing is known to be erased; ask again.
        """

    async def erased(self, reference: str, person: Identifiers, /) -> bool:
        """Whether an accepted erasure was carried out.

        Args:
            reference: of the :class:`Erasure` that was accepted.
            person: the identifiers it was asked for with.

        Raises:
            DeliveryError: the vendor could not be asked.
        """


_NUMBER: Final = re.compile(r"[+-]?\d{1,400}(\.\d{1,400})?")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")


def same_value(sent: object, returned: object) -> bool:
    """Whether a vendor's value is the one that was sent, in whatever form it comes back.

    ``24`` equals ``"24"`` and ``"24.0"``, ``True`` equals ``"TRUE"``, a day equals its midnight
    UTC. Text is compared exactly. That forgives more than it should where a text looks like a
    number (``"007"``), which hides a difference but never invents one.
    """
    return _plain(sent) == _plain(returned)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return "object", {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return "list", [_plain(member) for member in value]
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float | Decimal):
        return "number", Decimal(str(value))
    return _read(value) if isinstance(value, str) else ("other", value)


def _read(text: str) -> tuple[str, object]:
    if text.lower() in {"true", "false"}:
        return "boolean", text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return "number", Decimal(text)
    if _DATE.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return "text", text
        return "time", moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return "text", text
