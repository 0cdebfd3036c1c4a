"""Spec files: YAML in, checked specs in running order out, errors with file, line and fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from syncs.errors import SpecError
from syncs.spec import (
    SPEC,
    AnySpec,
    Audience,
    AudienceSpec,
    EventRule,
    EventSpec,
    Guard,
    Model,
    ProfileSpec,
    Reconcile,
    nearest,
)


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
    for spec in specs.values():
        if spec.renamed_from in specs:
            message = (
                f"{folder / spec.name}.yml: renamed_from: {spec.renamed_from!r} is still a sync of "
                "its own"
            )
            raise SpecError(message)
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
    lines: dict[tuple[str, ...], int] = {}
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        data = _plain(root, (), lines, file) if root is not None else None
    except (yaml.YAMLError, ValueError) as error:
        # A date that is none and bytes that are no text are ValueErrors.
        message = f"{file}: not YAML: {' '.join(str(error).split())[:500]}"
        raise SpecError(message) from None
    except RecursionError:
        message = f"{file}: not YAML: nested without end"
        raise SpecError(message) from None
    if not isinstance(data, dict):
        message = f"{file}: a spec is a mapping of keys, starting with `name:`"
        raise SpecError(message)
    try:
        spec = SPEC.validate_python(data)
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
    models: dict[str, type[Model]] = {
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
    nested: dict[str, type[Model]] = {
        "guard": Guard,
        "event": EventRule,
        "audience": Audience,
        "reconcile": Reconcile,
    }
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
