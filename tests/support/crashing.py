"""Kills a real sync at random points, runs it again, and counts what came of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from syncs import SyncSettings, identity, ledger_file, workspace
from tests.benchmarks import shop
from tests.support.box import Box

_ROOT = Path(__file__).resolve().parents[2]
# The caller's own settings must not reach what is killed.
_FOREIGN = ("SEGMENTS_", "SHOP_", "KLAVIYO_", "ATTENTIVE_", "FACEBOOK_")
_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.02
# Without a request for so long, nothing is on its way.
_QUIET_SECONDS = 0.2
# A process needs about this long to its first request; one in so many dies before it.
_START_SECONDS = 1.5
_EARLY = 5

_HEAD = """name: {name}
destination: {name}
description: A sync that is killed at random points.
owner: data@example.org
guard: {{max_removed: null, min_members: 0}}
"""


@dataclass(frozen=True)
class Kind:
    """One kind of sync.

    Attributes:
        destination: its kind, and its name.
        spec: the rest of its spec.
        held: how many rows the vendor holds.
        batch: rows recorded together, the most that one death may leave unanswered.
        idempotent: the vendor promises that a row sent twice equals one sent once.
    """

    destination: str
    spec: str
    held: Callable[[Box], int]
    batch: int
    idempotent: bool = True

    @property
    def vendor(self) -> str:
        return self.destination.split("_", 1)[0]

    @property
    def is_event(self) -> bool:
        return self.destination.endswith("_event")


_PROPERTIES = (
    "audience: everyone\nidentify_by: {email: email}\nproperties: {used: ever_used_discount_code}\n"
)
_EVENTS = (
    "audience: buyers\nidentify_by: {email: email}\nevent: {name: Bought, on: entered}\n"
    "properties: {kind: {value: buyer}}\n"
)
KINDS = {
    kind.destination: kind
    for kind in (
        Kind(
            "klaviyo_profile",
            _PROPERTIES,
            lambda box: sum(box.property_values("used").values()),
            10_000,
        ),
        Kind("klaviyo_event", _EVENTS, lambda box: box.events("klaviyo", "Bought"), 1_000),
        Kind(
            "attentive_attribute",
            _PROPERTIES,
            lambda box: sum(box.attribute_values("used").values()),
            600,
        ),
        # One by one, on as many connections.
        Kind("attentive_event", _EVENTS, lambda box: box.events("attentive", "Bought"), 32, False),
        Kind(
            "facebook_audience",
            "audience: buyers\naudience_name: Buyers\n"
            "identify_by: {EMAIL: email, FN: first_name, CT: city}\n",
            lambda box: box.members("Buyers"),
            10_000,
        ),
    )
}


@dataclass
class Outcome:
    """One sync over all its deaths, to its end.

    Attributes:
        points: signals that met the process alive.
        amid: those of them after which the vendor had some of the rows, and not all.
        unanswered: rows that were on their way when a run died, by run.
        again: rows that arrived once more.
        lost: rows that neither arrived nor wait for a person.
        doubled: events that are at the vendor twice.
        waiting: rows whose answer was lost, for a person to decide.
    """

    points: int = 0
    amid: int = 0
    unanswered: dict[str, int] = field(default_factory=dict)
    again: int = 0
    lost: int = 0
    doubled: int = 0
    waiting: int = 0

    @property
    def most_unanswered(self) -> int:
        return max(self.unanswered.values(), default=0)


class Victim:
    """A sync of a fresh home, killed again and again until it gets through.

    Args:
        home: its home folder, not there yet.
        box: the sandbox, reset and configured.
        kind: what is sent.
        rows: how many.
        program: the module that is started.
        latency: seconds the sandbox waits before it answers.
    """

    def __init__(
        self,
        home: Path,
        box: Box,
        kind: Kind,
        rows: int,
        *,
        program: str = "syncs",
        latency: float = 0.0,
    ) -> None:
        self._home = home
        self._box = box
        self._kind = kind
        self._rows = rows
        self._program = program
        self._latency = latency
        self._seen = 0
        self._received = 0
        self._fresh: list[dict[str, Any]] = []
        (home / "specs").mkdir(parents=True)
        (home / "specs" / f"{kind.destination}.yml").write_text(
            _HEAD.format(name=kind.destination) + kind.spec
        )
        with duckdb.connect(str(shop.publish(home, rows))) as con:
            # Everybody entered today, so that everybody is an event.
            con.execute(f"update segment_periods set entered_on = {shop.AS_OF}")

    def suffer(
        self, signals: Sequence[signal.Signals], span: float, dice: random.Random
    ) -> Outcome:
        """Run the sync to its end, with one death for each signal unless it gets through before.

        Args:
            signals: what to send.
            span: a signal comes up to so many seconds after the first request of its process.
            dice: where the moments come from.
        """
        outcome = Outcome()
        for number, sent in enumerate(signals):
            # Some die while they start, fold what the last one left, plan, or open their run.
            early = number % _EARLY == 1
            delay = dice.uniform(0.3, 1) * _START_SECONDS if early else dice.uniform(0, span)
            if not self._killed(sent, delay, early=early):
                break
            outcome.points += 1
            outcome.amid += 0 < self._settle() < self._rows
            self._look_into_ledger(outcome)
        self._finish()
        held = self._settle()
        outcome.again = self._received - min(held, self._rows)
        outcome.doubled = max(held - self._rows, 0)
        outcome.lost = max(self._rows - held, 0)
        if not self._kind.idempotent:
            self._judge_one_by_one(outcome)
        return outcome

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        vendor = self._kind.vendor
        environment |= {
            "SEGMENTS_ENV": "demo",
            "SEGMENTS_HOME": str(self._home),
            "SEGMENTS_SPECS": str(self._home / "specs"),
            f"{vendor.upper()}_BASE_URL": f"{self._box.address}/{vendor}",
        }
        return subprocess.Popen(
            [sys.executable, "-m", self._program, "apply", self._kind.destination],
            cwd=_ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _killed(self, sent: signal.Signals, delay: float, *, early: bool) -> bool:
        """Start the sync and kill it; False when it got through before."""
        process = self._start()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not early and process.poll() is None and not any(self._arrived()):
            assert time.monotonic() < deadline, "no row ever arrived"
            time.sleep(_POLL_SECONDS)
        time.sleep(delay)
        process.send_signal(sent)
        said = process.communicate(timeout=_PATIENCE_SECONDS)[1].decode()
        assert process.returncode in (0, -sent), said[-2_000:]
        return process.returncode == -sent

    def _finish(self) -> None:
        process = self._start()
        said = process.communicate(timeout=_PATIENCE_SECONDS)[1].decode()
        assert process.returncode == 0, said[-2_000:]

    def _arrived(self) -> list[int]:
        """How many rows each write brought since the last call of :meth:`_settle`."""
        path = f"/requests?vendor={self._kind.vendor}&since={self._seen}"
        self._fresh = self._box.call("GET", path)
        return [request["rows"] for request in self._fresh if request["writes"]]

    def _settle(self) -> int:
        """Wait until nothing is on its way any more; how many rows the vendor holds."""
        changed = began = time.monotonic()
        while time.monotonic() < changed + self._latency + _QUIET_SECONDS:
            assert time.monotonic() < began + _PATIENCE_SECONDS, "the vendor never came to rest"
            time.sleep(_POLL_SECONDS)
            self._received += sum(self._arrived())
            if self._fresh:
                self._seen = self._fresh[-1]["id"]
                changed = time.monotonic()
        while self._box.state()["klaviyo"]["pending_jobs"]:
            assert time.monotonic() < began + _PATIENCE_SECONDS, "the vendor never came to rest"
            time.sleep(_POLL_SECONDS)
        return self._kind.held(self._box)

    def _look_into_ledger(self, outcome: Outcome) -> None:
        """Note how many rows are unanswered, as the next run will see it."""
        file = self._home / "ledger" / f"{self._kind.vendor}.duckdb"
        settings = SyncSettings().model_copy(update={"home": self._home})
        with workspace.opened(settings) as work, ledger_file.viewed(work.con, file) as book:
            book.know()
            rows: Counter[str] = Counter(
                dict(
                    work.con.execute(
                        "select run_id, count(*) from known where state = 'unknown' group by all"
                    ).fetchall()
                )
            )
            # A job that was answered with its id is followed to its end, not sent again.
            for run, _, followed, _ in book.unfollowed(self._kind.destination):
                rows[run] -= followed
        for run, unanswered in rows.items():
            outcome.unanswered[run] = max(unanswered, outcome.unanswered.get(run, 0))

    def _judge_one_by_one(self, outcome: Outcome) -> None:
        """Compare what arrived with what the ledger says, event by event."""
        arrived = [event["external_id"] for event in self._box.call("GET", "/attentive/events")]
        outcome.doubled = len(arrived) - len(set(arrived))
        with duckdb.connect() as con:
            identity.install(con, key=identity.ledger_key(self._home / "ledger"))
            file = self._home / "ledger" / f"{self._kind.vendor}.duckdb"
            con.execute(f"attach '{file}' as ledger (read_only)")
            con.execute(f"attach '{self._home / 'published/segments.duckdb'}' as pub (read_only)")
            row = con.execute(
                f"""select count(*) filter (arrived is null and state is distinct from 'unknown'),
                    count(*) filter (state = 'unknown')
                from (
                    select known_by, cast(cast(md5($name || '|' || known_by) as uuid) as varchar)
                        as id
                    from (select email || '|buyers@' || {shop.AS_OF} as known_by
                        from pub.customers)
                )
                left join (select unnest(cast($arrived as varchar[])) as arrived) on arrived = id
                left join ledger.rows on row_key = keyed(known_by)""",
                {"arrived": list(set(arrived)), "name": self._kind.destination},
            ).fetchone()
        assert row is not None
        outcome.lost, outcome.waiting = int(row[0]), int(row[1])
