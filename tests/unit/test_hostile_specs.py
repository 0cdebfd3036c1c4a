"""Whatever stands in a spec file: a valid spec or a SpecError that names the file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syncs import SpecError
from syncs.spec_files import load_spec, load_specs

QUICK = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

GOOD: dict[str, Any] = {
    "name": "sync",
    "description": "A sync of the tests.",
    "owner": "data@example.org",
    "destination": "klaviyo_profile",
    "audience": {"any_of": ["buyers"], "none_of": ["won_back"]},
    "identify_by": {"email": "email"},
    "properties": {"used": "ever_used_discount_code", "kind": {"value": 1.5}},
    "guard": {"max_removed": 0.3, "min_members": 1},
    "reconcile": {"sample": 10, "repair": True},
}
KEYS = [*GOOD, "event", "after", "pace", "audience_name", "requires_consent", "when_left", "on"]
DESTINATIONS = ["klaviyo_profile", "klaviyo_event", "attentive_event", "facebook_audience", "x"]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["", "everyone", "0001-01-01", "9999-12-31T00:00:00Z", "a" * 5000, "\x00", "é"]
    ),
    st.dates(),
    st.sampled_from(DESTINATIONS),
)
trees = st.recursive(
    scalars,
    lambda inside: st.one_of(
        st.lists(inside, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=8)), inside, max_size=4),
    ),
    max_leaves=12,
)


def load(text: str | bytes) -> None:
    """Load a file with this content; anything but a spec or a SpecError is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sync.yml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        for read in (lambda: load_spec(file), lambda: load_specs(Path(folder))):
            said = "sync"
            try:
                read()
            except SpecError as error:
                said = str(error)
            assert "sync" in said
            assert len(said) < 20_000


@QUICK
@given(key=st.sampled_from(KEYS), value=trees)
def test_one_key_gone_wrong(key: str, value: object) -> None:
    load(yaml.safe_dump({**GOOD, key: value}, allow_unicode=True))


@QUICK
@given(tree=trees, destination=st.sampled_from(DESTINATIONS))
def test_any_tree(tree: object, destination: str) -> None:
    load(yaml.safe_dump(tree, allow_unicode=True))
    load(yaml.safe_dump({"name": "sync", "destination": destination, "audience": tree}))


@QUICK
@given(text=st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_bytes(text: str | bytes) -> None:
    load(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "name: [",
        "name: &a\n  b: *a\n",
        "? {a: b}\n: c\n",
        "? [x, y]\n: c\n",
        "!!python/object:os.system x",
        "name: !!timestamp 0001-01-01\n",
        "name: .nan\n",
        "a: " * 500,
        "[" * 400,
        "[" * 5000,
        "name: 2026-99-99\n",
        "name: sync\n" * 2,
        "\ufeffname: sync\n",
        b"\xff\xfe\x00",
        b"name: \x00",
        "name: sync\ndestination: klaviyo_profile\nproperties: {x: {value: .inf}}\n",
        "event: {name: 1, on: true}\nname: sync\ndestination: klaviyo_event\n",
    ],
)
def test_known_traps(text: str | bytes) -> None:
    load(text)
