"""``python -m tests.benchmarks.crashes``: a sync of each kind, killed at many random points.

A sync is started, killed and started again until it gets through, or until enough signals met it;
then the next one begins in a fresh home, until there were as many as asked for. The vendors' rate
limits are lifted on both sides: they would make the same take hours.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.stand_ins import running
from tests.support.crashing import KINDS, Kind, Outcome, Victim

_LATENCY_SECONDS = 0.03
# Rows a second that the sandbox takes, about: where a signal has to come to meet a sync amid.
_RATES = {
    "klaviyo_profile": 12_000,
    "klaviyo_event": 6_000,
    "attentive_attribute": 400,
    "attentive_event": 300,
    "facebook_audience": 25_000,
}
# A sync whose batches are few must be met less often, or it never gets on.
_SHARE = {"klaviyo_profile": 0.7, "facebook_audience": 0.7, "klaviyo_event": 0.2}
_SHARE_OF_SINGLES = 0.06


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.crashes", description=__doc__.split("\n\n", maxsplit=1)[1]
    )
    parser.add_argument("--rows", type=int, default=100_000, help="of each sync (100,000)")
    parser.add_argument("--points", type=int, default=50, help="signals for each kind (50)")
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all five")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (0)")
    return parser.parse_args()


def _crash(folder: Path, kind: Kind, options: argparse.Namespace) -> list[Outcome]:
    """Syncs until ``options.points`` signals met one."""
    dice = random.Random(f"{options.seed} {kind.destination}")
    share = _SHARE.get(kind.destination, _SHARE_OF_SINGLES)
    span = share * options.rows / _RATES[kind.destination]
    outcomes: list[Outcome] = []
    left = options.points
    while left > 0:
        home = folder / f"{kind.destination}{len(outcomes)}"
        with running(folder / "vendors") as box:
            box.reset()
            box.configure(limits=False, latency_seconds=_LATENCY_SECONDS, klaviyo_job_seconds=0.3)
            victim = Victim(
                home,
                box,
                kind,
                options.rows,
                program="tests.benchmarks.unlimited",
                latency=_LATENCY_SECONDS,
            )
            signals = dice.choices([signal.SIGKILL, signal.SIGTERM], k=left)
            outcomes.append(victim.suffer(signals, span, dice))
        left -= outcomes[-1].points
        print(f"{kind.destination}: {options.points - left} points", file=sys.stderr)
    return outcomes


def _is_broken(kind: Kind, outcome: Outcome) -> bool:
    may_come_again = sum(outcome.unanswered.values()) if kind.idempotent else 0
    return (
        bool(outcome.lost or outcome.doubled)
        or outcome.most_unanswered > kind.batch
        or outcome.again > may_come_again
    )


def main() -> int:
    options = _arguments()
    table = Table(title=f"Syncs of {options.rows:,} rows, killed at random", title_justify="left")
    names = ("kind", "signals", "amid", "syncs", "minutes", "rows lost", "events doubled",
             "most unanswered a death", "of a batch of", "sent again in all")  # fmt: skip
    for name in names:
        table.add_column(name, justify="left" if name == "kind" else "right")
    broken = False
    with tempfile.TemporaryDirectory(prefix="crashes-") as folder:
        for name in options.kind or KINDS:
            kind, began = KINDS[name], time.monotonic()
            outcomes = _crash(Path(folder), kind, options)
            broken |= any(_is_broken(kind, outcome) for outcome in outcomes)
            figures = (
                sum(o.points for o in outcomes), sum(o.amid for o in outcomes), len(outcomes),
                round((time.monotonic() - began) / 60), sum(o.lost for o in outcomes),
                sum(o.doubled for o in outcomes), max(o.most_unanswered for o in outcomes),
                kind.batch, sum(o.again for o in outcomes),
            )  # fmt: skip
            table.add_row(name, *(f"{figure:,}" for figure in figures))
    Console(width=160).print(table)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
