"""The documentation is complete, and nothing in it is about something that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
import yaml

from syncs.spec import Audience, EventSpec
from syncs.spec_files import load_specs
from tests.dbt.build import PROJECT, sample_home
from tests.sample_shop import ROOT

SPECS = ROOT / "syncs" / "specs"
ALWAYS_READ = {"customers", "customer_identities", "segment_catalog", "segment_periods"}
"""What every sync reads: whom there is, what is available, and who moved since the last run."""
READ_FOR_SEGMENTS = {"segment_members", "segment_sizes"}


class Built(NamedTuple):
    manifest: dict[str, Any]
    columns: dict[str, set[str]]
    """Columns of every relation dbt built, by the relation's name."""
    family_of: dict[str, str]
    """The file of each segment that is a row of a rule or a campaign."""

    def nodes(self, *types: str) -> list[dict[str, Any]]:
        return [n for n in self.manifest["nodes"].values() if n["resource_type"] in types]

    @property
    def segment_files(self) -> list[dict[str, Any]]:
        return [node for node in self.nodes("model") if node["fqn"][1] == "segments"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = sample_home(tmp_path_factory, "documented")
    manifest = json.loads((home / "target" / "manifest.json").read_text(encoding="utf-8"))
    columns: dict[str, set[str]] = {}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        for table, column in con.execute(
            "select table_schema || '.' || table_name, column_name from information_schema.columns"
        ).fetchall():
            columns.setdefault(table, set()).add(column)
        families = con.execute("select segment, family from intermediate.int_segment_rules")
        family_of = dict(families.fetchall())
    return Built(manifest, columns, family_of)


def test_every_model_seed_and_source_is_described(built: Built) -> None:
    described = [*built.nodes("model", "seed"), *built.manifest["sources"].values()]
    assert len(described) > 100
    assert [node["name"] for node in described if not node["description"].strip()] == []


def test_every_column_is_described_and_every_described_column_is_there(built: Built) -> None:
    missing: list[str] = []
    invented: list[str] = []
    for node in built.nodes("model", "seed"):
        there = built.columns[f"{node['schema']}.{node['name']}"]
        said = {name for name, about in node["columns"].items() if about["description"].strip()}
        missing += [f"{node['name']}.{column}" for column in sorted(there - said)]
        invented += [f"{node['name']}.{name}" for name in sorted(set(node["columns"]) - there)]
    assert missing == []
    assert invented == []


def test_descriptions_reach_the_warehouse_of_an_analyst(built: Built) -> None:
    settings = {
        json.dumps(node["config"]["persist_docs"])
        for node in built.nodes("model")
        if node["schema"] == "marts"
    }
    assert settings == {'{"relation": true, "columns": true}'}


def test_a_segment_reads_as_its_block_says(built: Built) -> None:
    blocks = {doc["name"]: doc["block_contents"] for doc in built.manifest["docs"].values()}
    files = built.segment_files
    assert {node["name"]: node["description"].strip() for node in files} == {
        node["name"]: blocks.get(f"segment_{node['name']}", "").strip() for node in files
    }
    known = {f"segment_{node['name']}" for node in files}
    assert {name for name in blocks if name.startswith("segment_")} == known


def test_every_listed_segment_has_a_file_and_words(built: Built) -> None:
    macro = (PROJECT / "macros" / "segment_ids.sql").read_text(encoding="utf-8")
    listed = set(re.findall(r"'([a-z0-9_]+)'", re.sub(r"\{#.*?#\}", "", macro, flags=re.DOTALL)))
    assert listed == {node["name"] for node in built.segment_files}


def test_every_segment_says_how_far_back_its_orders_go(built: Built) -> None:
    said = {
        node["name"]: node["config"]["meta"]["segment"].get("history")
        for node in built.segment_files
    }
    assert {name for name, history in said.items() if history not in ("whole", "window")} == set()


def test_words_of_a_segment_name_its_variables_with_their_defaults(built: Built) -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    variables = project["vars"]
    spoken_of = 0
    for node in built.segment_files:
        about = node["config"]["meta"]["segment"]
        assert set(about["parameters"]) <= set(variables), node["name"]
        words = " ".join(node["description"].split())
        for name, default in re.findall(r"`([a-z_0-9]+)` \(([^)]*)\)", words):
            assert default.replace(",", "") == _said(variables[name]), f"{node['name']}: {name}"
            spoken_of += 1
    assert spoken_of > 30


def _said(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_first_page_is_there_and_names_what_exists(built: Built) -> None:
    page = built.manifest["docs"]["doc.customer_segments.__overview__"]
    text = page["block_contents"]
    models = {node["name"] for node in built.nodes("model", "seed")}
    table = text.partition("## Where to look")[2].partition("## The layers")[0]
    named = set(re.findall(r"\| `([a-z_]+)`", table))
    assert named
    assert named <= models
    reference = text.partition("## How rules are written")[2].partition("## How to change")[0]
    rows = [line for line in reference.splitlines() if line.startswith("| `")]
    seeds = {node["name"] for node in built.nodes("seed")}
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} >= seeds


def test_an_exposure_is_its_spec_in_the_same_words(built: Built) -> None:
    exposures = {found["name"]: found for found in built.manifest["exposures"].values()}
    specs = load_specs(SPECS)
    assert set(exposures) == set(specs)
    for name, spec in specs.items():
        exposure = exposures[name]
        assert exposure["type"] == "application"
        assert exposure["owner"]["email"] == spec.owner
        assert exposure["description"].split() == (spec.description or "").split()


def test_an_exposure_depends_on_what_its_sync_reads(built: Built) -> None:
    for name, spec in load_specs(SPECS).items():
        columns = built.columns["marts.customers"]
        properties = getattr(spec, "properties", {}).values()
        named = {word for word in properties if isinstance(word, str) and word not in columns}
        named |= set(spec.segments)
        expected = ALWAYS_READ | {built.family_of.get(segment, segment) for segment in named}
        if named:
            expected |= READ_FOR_SEGMENTS
        assert isinstance(spec.audience, Audience) or not isinstance(spec, EventSpec)
        found = built.manifest["exposures"][f"exposure.customer_segments.{name}"]["depends_on"]
        assert {node.rsplit(".", 1)[1] for node in found["nodes"]} == expected, name


def test_no_page_speaks_of_a_file_that_is_not_there() -> None:
    pages = [*(PROJECT / "models").rglob("*.md"), *(PROJECT / "models").rglob("*.yml")]
    assert len(pages) > 20
    for page in pages:
        for named in re.findall(
            r"`((?:seeds|models|macros)/[\w/.]+\.\w+)`", page.read_text("utf-8")
        ):
            assert _exists(named), f"{page.name} speaks of {named}"


def _exists(named: str) -> bool:
    return any((folder / Path(named)).exists() for folder in (ROOT, PROJECT))
