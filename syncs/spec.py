"""Sync specs: one YAML file each, what a marketer reads and reviews.

Strict: an unknown key, a wrong value, a key given twice are errors that name file, line and the
nearest valid word. No templating, no expressions: logic belongs in SQL.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from syncs.errors import SpecError
from syncs.identity import FACEBOOK_KEYS

EVERYONE = "everyone"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
Scalar = str | bool | int | float


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Constant(_Model):
    """A property with the same value for everybody: ``{value: …}``."""

    value: Scalar

    @field_validator("value")
    @classmethod
    def _is_json(cls, value: Scalar) -> Scalar:
        if isinstance(value, float) and not math.isfinite(value):
            message = "JSON has no infinity and no NaN"
            raise ValueError(message)
        return value


class Audience(_Model):
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


class Guard(_Model):
    """When a plan is refused before its first request.

    A number up to 1 is a share of what the destination holds, above 1 a number of people; null
    switches the guard off.
    """

    max_removed: Annotated[float, Field(ge=0)] | None = 0.3
    max_added: Annotated[float, Field(ge=0)] | None = None
    min_members: Annotated[int, Field(ge=0)] = 1


class EventRule(_Model):
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


class _Spec(_Model):
    name: Name
    description: Annotated[str, StringConstraints(min_length=10)]
    # Dagster knows owners as an address or a team.
    owner: Annotated[str, StringConstraints(pattern=r"^(team:[\w-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")]
    audience: Annotated[Literal["everyone"] | Audience, BeforeValidator(_as_audience)]
    requires_consent: Literal["none", "email", "sms", "ads"] = "none"
    guard: Guard = Guard()

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
_SPEC: TypeAdapter[ProfileSpec | EventSpec | AudienceSpec] = TypeAdapter(SyncSpec)
AnySpec = ProfileSpec | EventSpec | AudienceSpec


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def json_schema() -> dict[str, Any]:
    """The JSON schema of a spec file, for editors."""
    return _SPEC.json_schema()


def load_specs(folder: Path) -> dict[str, AnySpec]:
    """Read every ``*.yml`` of a folder.

    Returns:
        Specs by name, in the order in which they must run: an event after the property it names,
        otherwise by name.

    Raises:
        SpecError: the first file that cannot be run, with its line.
    """
    files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
    if not files:
        message = f"{folder}: no sync specs (*.yml) in this folder"
        raise SpecError(message)
    specs: dict[str, AnySpec] = {}
    for file in files:
        spec = load_spec(file)
        if spec.name in specs:
            message = f"{file}: the name {spec.name!r} is taken by another file"
            raise SpecError(message)
        specs[spec.name] = spec
    _check_owners(specs, folder)
    return _ordered(specs, folder)


def _check_owners(specs: Mapping[str, AnySpec], folder: Path) -> None:
    """Two syncs that own one thing at the destination would undo each other every day."""
    owners: dict[tuple[str, str, str], str] = {}
    for spec in specs.values():
        if isinstance(spec, AudienceSpec):
            owned = [("audience", spec.account, spec.audience_name)]
        elif isinstance(spec, ProfileSpec):
            owned = [("property", spec.account, name) for name in spec.properties]
        else:
            owned = []
        for thing in owned:
            if thing in owners:
                message = (
                    f"{folder / spec.name}.yml: the {thing[0]} {thing[2]!r} is already kept by "
                    f"{owners[thing]!r}; two syncs would undo each other"
                )
                raise SpecError(message)
            owners[thing] = spec.name


def load_spec(file: Path) -> AnySpec:
    """Read one spec file.

    Raises:
        SpecError: names file, line and fix.
    """
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"{file}: not YAML: {' '.join(str(error).split())}"
        raise SpecError(message) from None
    lines: dict[tuple[str, ...], int] = {}
    data = _plain(root, (), lines, file) if root is not None else None
    if not isinstance(data, dict):
        message = f"{file}: a spec is a mapping of keys, starting with `name:`"
        raise SpecError(message)
    try:
        spec = _SPEC.validate_python(data)
    except ValidationError as error:
        raise SpecError(_explain(error, data, lines, file)) from None
    if spec.name != file.stem:
        message = f"{file}:{lines[('name',)]}: name {spec.name!r} differs from the file's name"
        raise SpecError(message)
    return spec


def _plain(
    node: yaml.Node, path: tuple[str, ...], lines: dict[tuple[str, ...], int], file: Path
) -> object:
    """YAML nodes as plain data, remembering the line of each key.

    Keys stay text: YAML 1.1 would read ``on:`` as true.
    """
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, object] = {}
        for key, value in node.value:
            word = str(key.value)
            line = key.start_mark.line + 1
            if word in result:
                message = f"{file}:{line}: {word!r} is given twice"
                raise SpecError(message)
            lines[(*path, word)] = line
            result[word] = _plain(value, (*path, word), lines, file)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(v, (*path, str(i)), lines, file) for i, v in enumerate(node.value)]
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def _explain(
    error: ValidationError,
    data: Mapping[str, object],
    lines: Mapping[tuple[str, ...], int],
    file: Path,
) -> str:
    """The most telling mistake, as ``file:line: key: what is wrong (did you mean …?)``."""
    # An unknown key explains a missing one, and "not everyone" explains nothing.
    order = {"extra_forbidden": 0, "value_error": 1, "literal_error": 9}
    first = min(error.errors(include_url=False), key=lambda e: order.get(e["type"], 2))
    models: dict[str, type[_Model]] = {
        "klaviyo_profile": ProfileSpec,
        "attentive_attribute": ProfileSpec,
        "klaviyo_event": EventSpec,
        "attentive_event": EventSpec,
        "facebook_audience": AudienceSpec,
    }
    model = models.get(str(data.get("destination")), ProfileSpec)
    # The first element of a location is the destination, which chose the model.
    location = tuple(str(part) for part in first["loc"])
    if location and location[0] == str(data.get("destination")):
        location = location[1:]
    while location and location not in lines and len(location) > 1:
        location = location[:-1]
    line = lines.get(location, 1)
    key = ".".join(location)
    kind = first["type"]
    if kind == "extra_forbidden":
        known = model.model_fields if len(location) == 1 else _fields_of(location[0])
        return f"{file}:{line}: unknown key {location[-1]!r}{nearest(location[-1], known)}"
    if kind == "missing":
        missing = ".".join(str(part) for part in first["loc"][1:])
        return f"{file}:{lines[()]}: {missing} is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        known_kinds = ("klaviyo_profile", "klaviyo_event", "attentive_attribute",
                       "attentive_event", "facebook_audience")  # fmt: skip
        given = str(data.get("destination", ""))
        line = lines.get(("destination",), 1)
        what = f"unknown destination {given!r}" if given else "destination is missing"
        hint = nearest(given, known_kinds) or f"; one of {', '.join(known_kinds)}"
        return f"{file}:{line}: {what}{hint}"
    text = first["msg"].removeprefix("Value error, ")
    given_value = first.get("input")
    if kind == "literal_error" and isinstance(given_value, str):
        words = str(first.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ")
        text = f"{given_value!r} is not allowed{nearest(given_value, words.split(', '))}; {text}"
    return f"{file}:{line}: {key + ': ' if key else ''}{text}"


def _fields_of(key: str) -> Iterable[str]:
    nested: dict[str, type[_Model]] = {"guard": Guard, "event": EventRule, "audience": Audience}
    return nested[key].model_fields if key in nested else ()


def _ordered(specs: Mapping[str, AnySpec], folder: Path) -> dict[str, AnySpec]:
    ordered: dict[str, AnySpec] = {}

    def place(spec: AnySpec, trail: tuple[str, ...]) -> None:
        if spec.name in ordered:
            return
        if spec.name in trail:
            message = f"{folder}: after: {' → '.join((*trail, spec.name))} is a circle"
            raise SpecError(message)
        for before in spec.after if isinstance(spec, EventSpec) else ():
            other = specs.get(before)
            if other is None:
                message = f"{folder / spec.name}.yml: after: no sync {before!r}"
                raise SpecError(message + nearest(before, specs))
            if (
                not isinstance(other, ProfileSpec)
                or other.account != spec.account
                or not isinstance(spec, EventSpec)
                or other.identify_by != spec.identify_by
            ):
                message = (
                    f"{folder / spec.name}.yml: after: {before!r} must be a property sync of the "
                    f"same destination account ({spec.account}) with the same identify_by"
                )
                raise SpecError(message)
            place(other, (*trail, spec.name))
        ordered[spec.name] = spec

    for name in sorted(specs):
        place(specs[name], ())
    return ordered
