"""Sync specs: one YAML file each, what a marketer reads and reviews.

Strict: an unknown key, a wrong value, a key given twice are errors that name file, line and the
nearest valid word. No templating, no expressions: logic belongs in SQL.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    field_validator,
    model_validator,
)

from syncs.identity import FACEBOOK_KEYS

EVERYONE = "everyone"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
Scalar = str | bool | int | float


class Model(BaseModel):
    """Strict and immutable: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Constant(Model):
    """A property with the same value for everybody: ``{value: …}``."""

    value: Scalar

    @field_validator("value")
    @classmethod
    def _is_json(cls, value: Scalar) -> Scalar:
        if isinstance(value, float) and not math.isfinite(value):
            message = "JSON has no infinity and no NaN"
            raise ValueError(message)
        return value


class Audience(Model):
    """Set algebra over segments: ``none_of`` wins, an empty ``any_of`` is an error."""

    any_of: tuple[Name, ...] | None = None
    all_of: tuple[Name, ...] | None = None
    none_of: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _says_who(self) -> Audience:
        for key in ("any_of", "all_of"):
            if getattr(self, key) == ():
                message = f"{key} is empty: name at least one segment, or `audience: everyone`"
                raise ValueError(message)
        if self.any_of is None and self.all_of is None:
            message = "none_of alone says who is out, not who is in: add any_of or all_of"
            raise ValueError(message)
        return self

    @property
    def segments(self) -> tuple[str, ...]:
        """Every segment named."""
        return (*(self.any_of or ()), *(self.all_of or ()), *self.none_of)


def _as_audience(value: object) -> object:
    return {"any_of": [value]} if isinstance(value, str) and value != EVERYONE else value


class Guard(Model):
    """When a plan is refused before its first request.

    A number up to 1 is a share of what the destination holds, above 1 a number of people; null
    switches the guard off.

    Attributes:
        max_removed: people who would leave.
        max_added: people, or events, that would be new.
        max_changed: people of whom something else would be said.
        min_members: people the audience must have.
        max_age_hours: how old the publication may be.
        max_jump: how many times the largest daily move of the last 90 days a segment of the
            audience may have moved on the as-of date.
    """

    max_removed: Annotated[float, Field(ge=0)] | None = 0.3
    max_added: Annotated[float, Field(ge=0)] | None = None
    max_changed: Annotated[float, Field(ge=0)] | None = None
    min_members: Annotated[int, Field(ge=0)] = 1
    max_age_hours: Annotated[float, Field(gt=0)] | None = 24
    max_jump: Annotated[float, Field(gt=0)] | None = 10


class Reconcile(Model):
    """How the destination is compared with the ledger.

    Attributes:
        sample: people looked up a day; a difference among them has everybody looked up.
        repair: send again what was found to differ.
        refresh_days: send everybody again after so many days, for destinations that cannot be read.
    """

    sample: Annotated[int, Field(ge=0, le=100_000)] = 500
    repair: bool = False
    refresh_days: Annotated[int, Field(ge=1, le=365)] | None = None


class EventRule(Model):
    """Which moments become events.

    Attributes:
        name: the event's name, or one name per segment of the audience.
        on: the edge of the membership period that counts.
        max_age_days: older entries are history and start no flow.
        backfill_days: history this young is sent once marked as history (Klaviyo only), so that
            filters such as "has not done X in the last 360 days" are right from the first day.
    """

    name: str | dict[Name, str]
    on: Literal["entered", "exited"] = "entered"
    max_age_days: Annotated[int, Field(ge=0, le=365)] = 3
    backfill_days: Annotated[int, Field(ge=1, le=3650)] | None = None

    @property
    def horizon(self) -> int:
        """Days after which an entry is not sent at all."""
        return max(self.max_age_days, self.backfill_days or 0)


class _Spec(Model):
    name: Name
    description: Annotated[str, StringConstraints(min_length=10)]
    # Dagster knows owners as an address or a team.
    owner: Annotated[str, StringConstraints(pattern=r"^(team:[\w-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")]
    audience: Annotated[Literal["everyone"] | Audience, BeforeValidator(_as_audience)]
    requires_consent: Literal["none", "email", "sms", "ads"] = "none"
    guard: Guard = Guard()
    # At most so many rows a run because of a new mapping or rule; the rest waits for the next ones.
    pace: Annotated[int, Field(ge=1)] | None = None
    reconcile: Reconcile = Reconcile()
    # The name this sync ran under before: what was delivered under it counts as delivered.
    renamed_from: Name | None = None

    destination: str

    @property
    def account(self) -> str:
        """The destination account: one ledger file and one set of rate limits."""
        return self.destination.split("_", 1)[0]

    @property
    def segments(self) -> tuple[str, ...]:
        """Every segment the audience names."""
        return self.audience.segments if isinstance(self.audience, Audience) else ()


# Attentive's REST and GraphQL pages differ: the union of what either forbids.
_ATTENTIVE_FORBIDS = set("\"'(){}[]\\|,")


def _check_names(names: Iterable[str], what: str, destination: str) -> None:
    """A name is for ever at a vendor, so what could break one there is refused here."""
    for name in names:
        if not name.strip() or len(name) > 200 or name.startswith("$") or not name.isprintable():
            message = f"{what} {name!r}: 1 to 200 printable characters, not starting with $"
            raise ValueError(message)
        if what == "event" and len(name) > 127:
            message = f"event {name!r}: at most 127 characters"
            raise ValueError(message)
        bad = _ATTENTIVE_FORBIDS & set(name)
        if destination.startswith("attentive") and bad:
            message = f"{what} {name!r}: Attentive takes no {' '.join(sorted(bad))} in names"
            raise ValueError(message)


class _PropertySpec(_Spec):
    properties: Annotated[dict[str, str | Constant], Field(min_length=1)]
    update_only: bool = False

    @field_validator("properties")
    @classmethod
    def _own_names(cls, value: dict[str, str | Constant]) -> dict[str, str | Constant]:
        for reserved in ("email", "phone_number", "first_name", "last_name", "external_id"):
            if reserved in value:
                message = f"property {reserved!r} would shadow the vendor's own field"
                raise ValueError(message)
        return value


class ProfileSpec(_PropertySpec):
    """Keeps properties of profiles true: ``klaviyo_profile``, ``attentive_attribute``."""

    destination: Literal["klaviyo_profile", "attentive_attribute"]
    identify_by: Annotated[
        dict[Literal["email", "phone", "phone_number"], str], Field(min_length=1, max_length=1)
    ]
    when_left: Literal["set_false", "clear", "keep"] = "set_false"

    @model_validator(mode="after")
    def _possible(self) -> ProfileSpec:
        _check_names(self.properties, "property", self.destination)
        if self.destination == "attentive_attribute":
            if self.update_only:
                message = "update_only: Attentive cannot tell whether a profile exists"
                raise ValueError(message)
            if self.when_left == "clear":
                message = "when_left: Attentive cannot clear an attribute; use set_false or keep"
                raise ValueError(message)
        return self


class EventSpec(_PropertySpec):
    """Sends one event per entry into (or exit from) a segment, once, for ever."""

    destination: Literal["klaviyo_event", "attentive_event"]
    identify_by: Annotated[
        dict[Literal["email", "phone", "phone_number"], str], Field(min_length=1, max_length=1)
    ]
    event: EventRule
    after: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> EventSpec:
        _check_names(self.properties, "property", self.destination)
        if not isinstance(self.audience, Audience) or self.audience.all_of:
            message = "audience: an event needs the segment (or any_of segments) whose entry it is"
            raise ValueError(message)
        if isinstance(self.event.name, dict):
            names = tuple(self.event.name.values())
            missing = set(self.entered) ^ set(self.event.name)
            if missing:
                message = f"event.name: one name per segment of the audience; see {sorted(missing)}"
                raise ValueError(message)
        else:
            names = (self.event.name,)
        _check_names(names, "event", self.destination)
        if self.destination == "attentive_event":
            if self.update_only:
                message = "update_only: Attentive cannot tell whether a profile exists"
                raise ValueError(message)
            if self.event.backfill_days:
                message = "event.backfill_days: Attentive cannot take history without texting"
                raise ValueError(message)
        return self

    @property
    def entered(self) -> tuple[str, ...]:
        """The segments whose edges are events."""
        return (self.audience.any_of or ()) if isinstance(self.audience, Audience) else ()


_CONTACTS = {"email", "phone", "first_name", "last_name", "city", "postal_code"}


class AudienceSpec(_Spec):
    """Mirrors a set of people into a Facebook customer list."""

    destination: Literal["facebook_audience"]
    audience_name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    audience_description: str = ""
    identify_by: Annotated[dict[str, str], Field(min_length=1)]

    @field_validator("identify_by")
    @classmethod
    def _keys(cls, value: dict[str, str]) -> dict[str, str]:
        for key, column in value.items():
            if key not in FACEBOOK_KEYS:
                message = f"{key!r} is no matching key{nearest(key, FACEBOOK_KEYS)}"
                raise ValueError(message)
            if key in ("EXTERN_ID", "MADID") and column in _CONTACTS:
                message = f"{key} is sent unhashed: {column!r} must not be"
                raise ValueError(message)
        if not {"EMAIL", "PHONE"} & set(value):
            message = "EMAIL or PHONE is needed to find a person again"
            raise ValueError(message)
        return value


SyncSpec = Annotated[ProfileSpec | EventSpec | AudienceSpec, Field(discriminator="destination")]
SPEC: TypeAdapter[ProfileSpec | EventSpec | AudienceSpec] = TypeAdapter(SyncSpec)
AnySpec = ProfileSpec | EventSpec | AudienceSpec


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def json_schema() -> dict[str, Any]:
    """The JSON schema of a spec file, for editors."""
    return SPEC.json_schema()
