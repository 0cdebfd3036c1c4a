"""What the last complete run of a sync worked from: tells why something changed since.

One JSON object per sync in the ledger; it holds no person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from syncs.records import Shape
from syncs.spec import SPEC, AnySpec

NAME: Final = "past"
# What of a spec decides about rows; the rest is words and limits.
_NOT_MAPPING: Final = {
    "name",
    "renamed_from",
    "description",
    "owner",
    "guard",
    "pace",
    "reconcile",
    "audience_name",
    "audience_description",
    "after",
}


@dataclass(frozen=True)
class Past:
    """The inputs of a run that sent all it had to.

    Attributes:
        mapping: the part of the spec that decides about rows.
        rules: digest of the segment definitions in force.
        as_of: the day of the picture it delivered.
        first_as_of: the day of the first picture the sync ever delivered.
        spoken: properties that somebody had a value for.
        digest: of every input value; equal digests mean an equal wish.
        left_out: people who were not sent, by reason.
        members: people in the audience who could be sent.
    """

    mapping: Mapping[str, Any]
    rules: str
    as_of: str
    first_as_of: str
    spoken: Sequence[str] = ()
    digest: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    members: int = 0

    @property
    def day(self) -> date:
        """``as_of`` as a date."""
        return date.fromisoformat(self.as_of)

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), sort_keys=True)


def read(text: str | None) -> Past | None:
    """What :meth:`Past.text` wrote; None when a sync never ran, or ran with another layout."""
    try:
        return Past(**json.loads(text)) if text else None
    except (TypeError, ValueError):
        return None


def mapping_of(spec: AnySpec) -> dict[str, Any]:
    """The part of a spec that decides who is sent and with what."""
    return spec.model_dump(mode="json", exclude=_NOT_MAPPING)


def recipe_of(mapping: Mapping[str, Any], shape: Shape) -> int:
    """A number of 63 bits for how rows are made: the mapping, and our way to talk to the vendor."""
    material = json.dumps([mapping, shape.revision], sort_keys=True)
    return int.from_bytes(hashlib.sha256(material.encode()).digest()[:8]) >> 1


def earlier_spec(spec: AnySpec, past: Past) -> AnySpec | None:
    """The spec as it was at the last complete run, or None when that is no valid spec today."""
    words = spec.model_dump(mode="json", include=_NOT_MAPPING)
    try:
        return SPEC.validate_python({**words, **past.mapping})
    except ValidationError:
        return None
