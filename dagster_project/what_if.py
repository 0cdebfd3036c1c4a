"""``python -m dagster_project.what_if``: whom a changed rule would move, before it is merged.

The models of the working tree are built on a copy of the raw tables, in a folder that is gone
afterwards, and compared with the published picture: that is what analysts and destinations hold,
while the warehouse may be half built. Nothing under ``SEGMENTS_HOME`` changes.

Exit codes: 0 nobody moves, 2 somebody does or a segment appears, disappears or changes its status,
1 error.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import yaml
from rich.console import Console

from dagster_project.connections import WarehouseError, must_exist, patiently, prepare, quoted
from dagster_project.scratch_models import PROJECT, BuildError, build_models, copy_raw
from dagster_project.settings import Settings, SettingsError, load_settings
from dagster_project.what_if_moves import Moves, compare
from dagster_project.what_if_report import as_json, as_markdown, as_tables

NOBODY_MOVES, ERROR, MOVES = 0, 1, 2

_PIPE_WIDTH = 150
_OF_THE_RUN = {
    "as_of": "the picture is the published one; --as-of says which day is compared",
    "shop_timezone": "it is taken from the published picture",
    "shop_currency": "it is taken from the published picture",
    "shop_country": "it is taken from SHOP_COUNTRY",
}
_EXAMPLES = """
examples:
  python -m dagster_project.what_if
      what the rules in this working tree change
  python -m dagster_project.what_if active_days=150
      active for 150 days instead
  python -m dagster_project.what_if hvc_min_orders=4 hvc_min_spend=200 --markdown
      two thresholds together, as a table for a pull request
  python -m dagster_project.what_if active_days=150 --as-of 2026-06-30 --json
      who would have been in another segment on that day
"""


class WhatIfError(Exception):
    """The question cannot be answered; the message says why."""


class _Parser(argparse.ArgumentParser):
    """Ends a usage error with 1: argparse's own 2 would read as "somebody moves"."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ERROR, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str]) -> int:
    """Answer one question; returns the exit code."""
    options = _parser().parse_args(arguments)
    errors = Console(stderr=True, soft_wrap=True)
    try:
        settings = load_settings()
        moves = what_if(settings, _variables(options.changes), options.as_of, errors)
    except (WhatIfError, WarehouseError, BuildError, SettingsError) as error:
        errors.print(str(error), markup=False, highlight=False)
        return ERROR
    except duckdb.Error as error:
        errors.print(f"the two pictures cannot be compared: {error}", markup=False, highlight=False)
        return ERROR
    if moves.newer_orders:
        errors.print(
            f"The source was loaded again since the publication: {moves.newer_orders} orders "
            "differ, and so the moves below are not the rules' alone. Publish first (run the daily "
            "job) to see only those.",
            markup=False,
            highlight=False,
        )
    console = Console(markup=False, highlight=False)
    if options.json:
        sys.stdout.write(as_json(moves))
    elif options.markdown:
        sys.stdout.write(as_markdown(moves))
    else:
        if not console.is_terminal:
            console.width = _PIPE_WIDTH
        for part in as_tables(moves):
            console.print(part, "")
    return MOVES if moves.any() else NOBODY_MOVES


def what_if(
    settings: Settings, variables: dict[str, Any], day: date | None, errors: Console
) -> Moves:
    """Build the working tree's models with `variables` and compare them with what is published.

    Args:
        settings: where the published picture and the raw tables are.
        variables: dbt variables that differ from those of `dbt_project.yml`.
        day: shop-local day whose members are compared; None for the day of the picture.
        errors: where progress is shown.

    Raises:
        WhatIfError: nothing is published, or `day` lies behind the picture.
        BuildError: dbt refuses the rules.
        WarehouseError: the warehouse is missing, in use, or holds no raw tables.
    """
    published = settings.published_path
    if not published.exists():
        message = f"{published}: nothing is published yet; run the daily job first (make demo)"
        raise WhatIfError(message)
    must_exist(settings.warehouse_path)
    with duckdb.connect() as con, tempfile.TemporaryDirectory(prefix="what-if-") as folder:
        prepare(con)
        home = Path(folder)
        con.execute(f"SET temp_directory = {quoted(home / 'tmp')}")
        attach = f"ATTACH {quoted(published)} AS published (READ_ONLY)"
        patiently(lambda: con.execute(attach), published, _no_wait)
        picture = con.execute(
            "SELECT as_of, shop_timezone, shop_currency FROM published.main.publication"
        ).fetchone()
        if picture is None:
            message = f"{published}: it does not say what it is; run the daily job again"
            raise WhatIfError(message)
        as_of, zone, currency = picture
        if day is not None and day > as_of:
            message = f"--as-of {day}: the published picture ends on {as_of}"
            raise WhatIfError(message)
        copy_raw(settings.warehouse_path, home)
        # On a terminal a line that moves, elsewhere one line.
        text = f"building the models of {PROJECT.name} as of {as_of}"
        if not errors.is_terminal:
            errors.print(f"{text} …", highlight=False)
        with errors.status(text) if errors.is_terminal else nullcontext() as status:
            build_models(
                home,
                {
                    "as_of": as_of.isoformat(),
                    "shop_timezone": zone,
                    "shop_currency": currency,
                    "shop_country": settings.shop_country,
                    **variables,
                },
                progress=lambda done: status.update(f"{text}: {done}") if status else None,
            )
        # By the name dbt knows it: its views look for their tables there.
        con.execute(f"ATTACH {quoted(home / 'warehouse.duckdb')} AS warehouse (READ_ONLY)")
        return compare(con, day or as_of, variables)


def _no_wait(_: float) -> None:
    """A published file is never written in place: waiting for it would not help."""


def _variables(changes: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` pairs, the values read as YAML like those of `dbt_project.yml`.

    Raises:
        WhatIfError: a pair has no `=`, or names no variable; the message has the nearest name.
    """
    known = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    variables: dict[str, Any] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            message = f"{change!r}: give NAME=VALUE, such as active_days=150"
            raise WhatIfError(message)
        if name in _OF_THE_RUN:
            message = f"{name} is no rule: {_OF_THE_RUN[name]}"
            raise WhatIfError(message)
        if name not in known:
            near = difflib.get_close_matches(name, set(known) - set(_OF_THE_RUN), n=1, cutoff=0)
            message = f"there is no variable {name!r}; the nearest is {near[0]!r}"
            raise WhatIfError(message)
        try:
            variables[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            message = f"{name}: {value!r} cannot be read as a number, a word or a [list]"
            raise WhatIfError(message) from None
    return variables


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no day; use YYYY-MM-DD"
        raise argparse.ArgumentTypeError(message) from None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m dagster_project.what_if",
        description="Whom the rules of this working tree, or other values of its variables, would "
        "move between segments. Changes nothing.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "changes", nargs="*", metavar="NAME=VALUE", help="a variable of dbt_project.yml"
    )
    parser.add_argument(
        "--as-of",
        type=_day,
        metavar="DATE",
        help="the day whose members are compared; default: the day of the published picture",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="machine-readable")
    output.add_argument("--markdown", action="store_true", help="for a pull request")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
