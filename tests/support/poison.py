"""A shop in which some customers are refused by a vendor, and its days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from syncs import Report, SyncSettings, chosen, run_one
from tests.benchmarks import shop
from tests.support.box import Box
from tests.support.crashing import KINDS

POISON = "poison."
_NUMBER = "cast(substr(customer_key, 2) as bigint)"

_HEAD = """name: {destination}
description: A sync some of whose rows are refused.
owner: data@example.org
destination: {destination}
identify_by: {{email: email}}
guard: {{max_removed: null, min_members: 0, max_age_hours: null}}
"""
_STATE = "audience: everyone\nproperties: {used: ever_used_discount_code}\n"
_EVENT = "audience: buyers\nevent: {name: Bought, on: entered}\nproperties: {kind: {value: a}}\n"


@dataclass
class Days:
    """One sync over some days, in a home of its own.

    Args:
        settings: whose home and specs are used.
        box: the sandbox.
        destination: the kind of the sync, and its name.
        rows: customers of the shop.
        poisoned: how many of them are refused, evenly spread.
    """

    settings: SyncSettings
    box: Box
    destination: str
    rows: int
    poisoned: int = 10
    today: int = 0

    def __post_init__(self) -> None:
        self.tell()
        file = shop.publish(self.settings.home, self.rows)
        step = self.rows // self.poisoned
        with duckdb.connect(str(file)) as con:
            con.execute(f"update segment_periods set entered_on = {shop.AS_OF}")
            con.execute(
                f"update customers set email = '{POISON}' || email "
                f"where {_NUMBER} % {step} = 0 and {_NUMBER} < {step * self.poisoned}"
            )

    @property
    def vendor(self) -> str:
        return self.destination.split("_", 1)[0]

    @property
    def file(self) -> Path:
        return self.settings.published

    def tell(self, more: str = "") -> None:
        """Write the spec, with more properties if wanted."""
        text = _EVENT if self.destination.endswith("_event") else _STATE
        (self.settings.specs / f"{self.destination}.yml").write_text(
            _HEAD.format(destination=self.destination) + text.replace("}\n", f"{more}}}\n")
            if more
            else _HEAD.format(destination=self.destination) + text
        )

    def refuse(self, form: str) -> None:
        """Have the vendor refuse the poisoned in this way from now on."""
        if self.vendor == "klaviyo":
            self.box.fault("klaviyo", "reject-rows", reject_emails=POISON, form=form, times=None)
        else:
            self.box.fault(
                self.vendor, "status", status=400, method="POST", body_contains=POISON, times=None
            )

    def change(self, which: str) -> int:
        """Let something change for some customers (SQL over them); how many they are."""
        with duckdb.connect(str(self.file)) as con:
            where = f"where {which}"
            if self.destination.endswith("_event"):
                con.execute(
                    f"""insert into segment_periods select 'buyers', customer_key,
                    {shop.AS_OF} + {self.today}, null from customers {where}"""
                )
            else:
                con.execute(
                    "update customers set ever_used_discount_code = not ever_used_discount_code "
                    + where
                )
            found = con.execute(f"select count(*) from customers {where}").fetchone()
        assert found is not None
        return int(found[0])

    def next_day(self, days: int = 1) -> None:
        """Another day, on which nothing changed yet."""
        self.today += days
        with duckdb.connect(str(self.file)) as con:
            day = f"as_of = {shop.AS_OF} + {self.today}"
            con.execute(f"update publication set {day}, publication_id = cast(uuid() as varchar)")
            con.execute(f"update customers set {day}")

    def one_percent(self) -> int:
        """Let one in a hundred of those who are not refused change; how many they are."""
        return self.change(f"{_NUMBER} % 100 = {self.today} and email not like '{POISON}%'")

    def held(self) -> int:
        """How many rows the vendor holds."""
        return KINDS[self.destination].held(self.box)

    def now(self) -> datetime:
        return datetime(2026, 11, 21, 6, tzinfo=UTC) + timedelta(days=self.today)

    def run(self) -> tuple[Report, int]:
        """Run the sync today; how many rows reached the vendor, those of refused requests too."""
        before = len(self.box.writes(self.vendor))
        spec = chosen(self.settings, [self.destination])[self.destination]
        report = run_one(self.settings, spec, clock=self.now)
        fresh = self.box.writes(self.vendor)[before:]
        return report, sum(r["rows"] for r in fresh if r["status"] and r["status"] < 300)
