"""``python -m syncs``: plan, apply, status, reconcile, resolve, retry, erase, schema, sandbox.

Exit codes of ``plan``: 0 nothing to do, 2 changes, 3 a guard would refuse, 1 error.
Exit codes of ``apply``: 0 all delivered, 3 refused (a guard, or the plan moved), 1 anything else.
Exit codes of ``reconcile``: 0 nothing differs, or all that did was mended; 1 otherwise.
Exit codes of ``resolve`` without a verdict: 0 nothing waits, 2 rows wait.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from syncs import erasure, mending, plan_view, runner
from syncs.drift import REPAIRABLE
from syncs.engine import report_counts
from syncs.errors import PlanMovedError, SyncError
from syncs.mending import Verdict
from syncs.reconcile import reconcile_account
from syncs.records import Plan, Progress, Report, Status
from syncs.settings import SyncSettings
from syncs.spec import AnySpec, json_schema
from syncs.status import Standing, standing

OK, ERROR, CHANGES, REFUSED = 0, 1, 2, 3
_PIPE_WIDTH = 150


def _console() -> Console:
    """Standard output; wide enough for its tables when nobody's terminal says how wide it is."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    options = _parser().parse_args(arguments)
    errors = Console(stderr=True, soft_wrap=True)
    try:
        settings = SyncSettings()
    except ValidationError as error:
        for problem in error.errors():
            name = str(problem["loc"][0])
            errors.print(f"{name}={problem['input']!r}: {problem['msg']}", markup=False)
        return ERROR
    try:
        return int(options.command(settings, options))
    except SyncError as error:
        errors.print(str(error), markup=False)
        return ERROR


class _Parser(argparse.ArgumentParser):
    """Ends a usage error with 1: argparse's own 2 would read as "there are changes"."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ERROR, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m syncs",
        description="Plan and run the syncs of published/segments.duckdb to its destinations.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=function)
        return command

    plan = add("plan", _plan, "what would be sent, and why; sends nothing")
    apply = add("apply", _apply, "run the syncs")
    status = add("status", _status, "where every sync stands")
    for command in (plan, apply, status):
        command.add_argument("names", nargs="*", metavar="NAME", help="a sync; default: all")
    for command in (plan, status):
        command.add_argument("--json", action="store_true", help="machine-readable")
    plan.add_argument("--markdown", action="store_true", help="for a pull request")
    apply.add_argument("--approve", action="append", default=[], metavar="PLAN_ID",
                       help="guards do not stop this very plan; may be given again")  # fmt: skip
    resolve = add("resolve", _resolve, "settle rows whose answer was lost: list them, or say "
                  "whether they arrived")  # fmt: skip
    resolve.add_argument("names", nargs=1, metavar="NAME", help="a sync")
    found = resolve.add_mutually_exclusive_group()
    for verdict, text in (
        (Verdict.ARRIVED, "the destination has them: never send them again"),
        (Verdict.LOST, "the destination has them not: send them again"),
    ):
        found.add_argument(f"--{verdict}", dest="verdict", action="store_const", const=verdict,
                           help=text)  # fmt: skip
    resolve.add_argument("--customer", action="append", default=[], metavar="KEY",
                         help="only this customer_key; may be given again")  # fmt: skip
    retry = add("retry", _retry, "make refused rows due for the next run")
    retry.add_argument("names", nargs="*", metavar="NAME", help="a sync; default: all")
    reconcile = add("reconcile", _reconcile, "look up what every destination holds, and mend it "
                    "where a spec says so")  # fmt: skip
    reconcile.add_argument("names", nargs="*", metavar="NAME", help="a sync; default: all")
    add("erase", _erase, "tell every vendor whom to forget, and hear from them who is")
    apply.add_argument("--plan", type=Path, metavar="FILE", help="run exactly the plan of FILE "
                       "(made by `plan --json`) or refuse")  # fmt: skip
    add("schema", _schema, "the JSON schema of a spec file, for editors")
    box = add("sandbox", _sandbox, "the local stand-ins of the three vendors")
    box.add_argument("action", choices=("show", "serve"), help="what they hold, or run them here")
    box.add_argument("--port", type=int, default=0, help="serve: port; default: any free one")
    return parser


def _plan(settings: SyncSettings, options: argparse.Namespace) -> int:
    plans: list[Plan] = []
    problems: dict[str, str] = {}
    for spec in runner.chosen(settings, options.names).values():
        try:
            plans.append(runner.plan_one(settings, spec))
        except SyncError as error:
            problems[spec.name] = str(error)
    if options.json:
        sys.stdout.write(plan_view.document(plans, problems))
    elif options.markdown:
        sys.stdout.write(plan_view.markdown(plans, problems))
    else:
        _show(plan_view.table(plans), [note for plan in plans for note in plan_view.notes(plan)])
        _show_problems(problems)
    if problems:
        return ERROR
    if any(plan.refused for plan in plans):
        return REFUSED
    return CHANGES if any(plan.changes for plan in plans) else OK


def _show(table: Table, notes: Iterable[str]) -> None:
    """A table, and below it what it has no room for."""
    console = _console()
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def _show_problems(problems: dict[str, str]) -> None:
    errors = Console(stderr=True, soft_wrap=True)
    for name, problem in problems.items():
        errors.print(f"{name}: {problem}", markup=False)


def _apply(settings: SyncSettings, options: argparse.Namespace) -> int:
    expected: dict[str, str] | None = None
    names = list(options.names)
    if options.plan is not None:
        expected = _read_plan(options.plan)
        strangers = sorted(set(names) - set(expected))
        if strangers or not expected:
            message = (
                f"{options.plan} holds no plan{' of ' + ', '.join(strangers) * bool(strangers)}"
            )
            raise SyncError(message)
        names = names or list(expected)
    specs = runner.chosen(settings, names)
    if expected is not None and (moved := _moved(settings, specs, expected)):
        _show_problems(
            dict.fromkeys(moved, "published data, ledger or spec moved since the plan was made")
        )
        return REFUSED
    ends: dict[str, Report | SyncError] = {}
    console = _console()

    def on_end(spec: AnySpec, end: Report | SyncError) -> None:
        console.print(_said(spec, end), markup=False, highlight=False, soft_wrap=True)

    for account in sorted({spec.account for spec in specs.values()}):
        ends |= runner.run_account(
            settings,
            [spec for spec in specs.values() if spec.account == account],
            expected_plans=expected,
            approved_plans=options.approve,
            on_progress=_progress,
            on_end=on_end,
        )
    return _exit_code(ends)


def _read_plan(file: Path) -> dict[str, str]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return {str(plan["sync"]): str(plan["plan_id"]) for plan in document["plans"]}
    except (OSError, ValueError, KeyError, TypeError):
        message = f"{file}: not a plan made by `python -m syncs plan --json`"
        raise SyncError(message) from None


def _moved(
    settings: SyncSettings, specs: dict[str, AnySpec], expected: dict[str, str]
) -> list[str]:
    """Syncs whose plan is another one now; nothing is sent unless all of them still hold."""
    return [
        name
        for name, spec in specs.items()
        if runner.plan_one(settings, spec).plan_id != expected[name]
    ]


def _progress(progress: Progress) -> None:
    sys.stderr.write(
        f"{progress.sync}: {progress.settled:,} of {progress.total:,} rows, "
        f"{progress.rejected:,} rejected, {progress.seconds:.0f} s\n"
    )


def _looking(progress: Progress) -> None:
    sys.stderr.write(
        f"{progress.sync}: {progress.settled:,} of {progress.total:,}, {progress.seconds:.0f} s\n"
    )


def _said(spec: AnySpec, end: Report | SyncError) -> str:
    if isinstance(end, SyncError):
        return f"{spec.name}: not run: {end}"
    if end.status is Status.REFUSED:
        return f"{spec.name}: refused, nothing was sent: {end.error}"
    numbers = ", ".join(f"{n:,} {name}" for name, n in report_counts(end).items() if n)
    reasons = ", ".join(f"{n} x {reason}" for reason, n in end.reasons.items())
    parts = [f"{spec.name}: {end.status}", numbers or "nothing to do", reasons, end.error]
    return "; ".join(part for part in parts if part)


def _exit_code(ends: dict[str, Report | SyncError]) -> int:
    refused = [
        end
        for end in ends.values()
        if isinstance(end, PlanMovedError)
        or (isinstance(end, Report) and end.status is Status.REFUSED)
    ]
    failed = [
        end
        for end in ends.values()
        if not (isinstance(end, Report) and end.delivered_everything) and end not in refused
    ]
    if failed:
        return ERROR
    return REFUSED if refused else OK


def _status(settings: SyncSettings, options: argparse.Namespace) -> int:
    standings = [
        standing(settings, spec) for spec in runner.chosen(settings, options.names).values()
    ]
    if options.json:
        sys.stdout.write(json.dumps([dataclasses.asdict(s) for s in standings], indent=2) + "\n")
        return OK
    table = Table(title="Syncs", title_justify="left")
    for name in ("sync", "last run", "age", "in sync", "pending", "rejected", "held", "unknown"):
        table.add_column(name, justify="left" if name in ("sync", "last run") else "right")
    for s in standings:
        table.add_row(s.sync, s.last_status, _age(s), str(s.in_sync),
                      "?" if s.pending is None else str(s.pending),
                      str(s.rejected), str(s.held), str(s.unknown))  # fmt: skip
    _show(table, [note for s in standings for note in plan_view.censored(s.sync, s.censored)])
    _show_problems({s.sync: s.problem for s in standings if s.problem})
    return OK


def _age(s: Standing) -> str:
    if s.age_seconds is None:
        return "-"
    hours = s.age_seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} d"


def _resolve(settings: SyncSettings, options: argparse.Namespace) -> int:
    spec = runner.chosen(settings, options.names)[options.names[0]]
    if options.verdict is not None:
        settled = mending.resolve(settings, spec, options.verdict, customers=options.customer)
        _console().print(f"{spec.name}: {settled:,} rows settled as {options.verdict}")
        return OK
    table = Table(title=f"{spec.name}: sent, answer lost", title_justify="left")
    for name in ("customer_key", "entry", "sent at (UTC)", "what happened"):
        table.add_column(name)
    rows = mending.unanswered(settings, spec)
    for row in rows:
        since = row.since.astimezone(UTC).isoformat(" ", timespec="seconds")
        table.add_row(row.customer_key, row.subject, since, row.reason)
    _console().print(table)
    return CHANGES if rows else OK


def _retry(settings: SyncSettings, options: argparse.Namespace) -> int:
    for spec in runner.chosen(settings, options.names).values():
        if runner.ledger_path(settings, spec.account).exists():
            due = mending.retry(settings, spec)
            _console().print(f"{spec.name}: {due:,} rows due for the next run")
    return OK


def _reconcile(settings: SyncSettings, options: argparse.Namespace) -> int:
    specs = runner.chosen(settings, options.names).values()
    table = Table(title="Destinations, looked up", title_justify="left")
    for name in ("sync", "looked at", "missing", "different", "repaired", "also found"):
        table.add_column(name, justify="left" if name in ("sync", "also found") else "right")
    problems: dict[str, str] = {}
    is_fine = True
    for account in sorted({spec.account for spec in specs}):
        ours = [spec for spec in specs if spec.account == account]
        for name, end in reconcile_account(settings, ours, on_progress=_looking).items():
            if isinstance(end, SyncError):
                problems[name], is_fine = f"not looked up: {end}", False
                continue
            is_fine = is_fine and end.is_fine
            other = [f"{n} {kind}" for kind, n in end.found.items() if kind not in REPAIRABLE]
            other += [f"{end.left} to look at tomorrow"] if end.left else []
            table.add_row(name, str(end.looked_at),
                          *(str(end.found.get(kind, 0)) for kind in REPAIRABLE),
                          str(end.repaired), ", ".join(other) or "-")  # fmt: skip
            if end.problem:
                problems[name] = end.problem
    _console().print(table)
    _show_problems(problems)
    return OK if is_fine else ERROR


def _erase(settings: SyncSettings, _options: argparse.Namespace) -> int:
    accounts = sorted({spec.account for spec in runner.chosen(settings).values()})
    code = OK
    for account in accounts:
        ended = erasure.erase_account(settings, account)
        reasons = "".join(f"; {n} x {reason}" for reason, n in ended.reasons.items())
        _console().print(
            f"{account}: {ended.people:,} to forget, {ended.done:,} forgotten, "
            f"{ended.waiting:,} accepted and not yet confirmed, {ended.open:,} open{reasons}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        code = code if ended.is_fine else ERROR
    erasure.conclude_erasures(settings, accounts, today=datetime.now(UTC).date())
    return code


def _schema(_settings: SyncSettings, _options: argparse.Namespace) -> int:
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return OK


def _sandbox(settings: SyncSettings, options: argparse.Namespace) -> int:
    # A web server's worth of imports, which no other command needs.
    from syncs import sandbox  # noqa: PLC0415

    if options.action == "serve":
        sandbox.serve(settings.home, options.port)
    else:
        _console().print(sandbox.render(sandbox.describe(settings.home)))
    return OK
