"""dbt: every rule about customers and segments, built and tested in one `dbt build`."""

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets
from dagster_dbt.compat import DBT_PYTHON_VERSION

from dagster_project.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def prepared_project() -> DbtProject:
    """The dbt project with a manifest at least as new as every file it is made of.

    dagster-dbt prepares one under ``dagster dev`` only, and then again in every step process (13 s
    instead of 4 s); tests, ``dagster job execute`` and a fresh clone would find none.
    """
    project = DbtProject(project_dir=ROOT / "dbt_project", profiles_dir=ROOT / "dbt_project")
    # Every step process asks this. What dbt writes is thousands of files and not looked at.
    folders = [ROOT / "dbt_project" / name for name in ("models", "macros", "tests")]
    files = [
        *(ROOT / "dbt_project").glob("*.yml"),
        *(
            file
            for folder in (*folders, ROOT / "seeds" / "reference")
            for file in folder.rglob("*")
        ),
    ]
    newest = max(file.stat().st_mtime for file in files)
    manifest = project.manifest_path
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        project.preparer.prepare(project)
    return project


class Translator(DagsterDbtTranslator):
    """dbt's groups, owners and descriptions are taken as they are; kinds are added."""

    def get_asset_spec(
        self, manifest: Any, unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """One dbt node as an asset spec."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        owners = spec.owners or ["team:data"]
        return spec.replace_attributes(kinds={*spec.kinds, "dbt", "duckdb"}, owners=owners)


class Dbt(DbtCliResource):
    """dbt's commands, without what dagster-dbt does before each and we have no use for.

    It starts ``dbt --version``, and an adapter of its own to ask for row counts and columns: six
    seconds, longer than the rest of a small shop's day without the models takes.
    """

    @cached_property
    def _cli_version(self) -> Any:
        return DBT_PYTHON_VERSION

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        """None: no `fetch_row_counts()` or `fetch_column_metadata()` follows."""


def build_dbt_assets(settings: Settings) -> tuple[dg.AssetsDefinition, Dbt]:
    """The dbt assets and the resource that runs them.

    Args:
        settings: gives the as-of date and the shop's zone, country and currency, as dbt vars.
    """
    project = prepared_project()

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        dagster_dbt_translator=Translator(),
        pool="duckdb_write",
    )
    def dbt_models(context: dg.AssetExecutionContext, dbt: Dbt) -> Iterator[Any]:
        variables = json.dumps(settings.dbt_vars())
        # Unit tests prove the code, not the day's data: `make test` runs them.
        invocation = dbt.cli(
            ["build", "--exclude-resource-type", "unit_test", "--vars", variables], context=context
        )
        # No fetch_row_counts(): a query per model took as long as the models of a small shop.
        yield from invocation.stream()

    return dbt_models, Dbt(project_dir=project)  # type: ignore[arg-type]
