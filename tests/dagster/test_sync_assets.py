"""A sync asset is green only when everything was delivered; its siblings run all the same."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest

from dagster_project.assets.syncs import build_sync_assets
from dagster_project.jobs import alert
from syncs import SyncSettings, load_specs
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import AUDIENCE, PROFILE, write


def materialize(settings: SyncSettings) -> dg.ExecuteInProcessResult:
    assets = build_sync_assets(list(load_specs(settings.specs).values()), settings, [])
    return dg.materialize(assets, raise_on_error=False)


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events()
            if event.asset_key}  # fmt: skip


@pytest.fixture
def shop(settings: SyncSettings) -> Shop:
    write(settings, "usage", PROFILE)
    write(settings, "flag", PROFILE.replace("{used:", "{flag:"))
    write(settings, "mirror", AUDIENCE)
    made = Shop()
    for i in range(6):
        made.add(f"c{i}", ever_used_discount_code=True).member("buyers", f"c{i}")
    made.publish(settings.home)
    return made


def test_everything_delivered_is_green_and_says_how_much(
    settings: SyncSettings, box: Box, shop: Shop
) -> None:
    result = materialize(settings)

    assert result.success
    assert materialized(result) == {"usage", "flag", "mirror"}
    (event,) = [e for e in result.get_asset_materialization_events()
                if e.asset_key and e.asset_key.path[-1] == "mirror"]  # fmt: skip
    counts = event.materialization.metadata
    assert (counts["members"].value, counts["accepted"].value, counts["writes"].value) == (6, 6, 2)


def test_one_refused_row_is_not_green_and_stops_nobody_else(
    settings: SyncSettings, box: Box, shop: Shop
) -> None:
    box.fault("klaviyo", "reject-rows", reject_emails="c3@", form="import-errors", times=1)

    result = materialize(settings)

    assert not result.success
    # `flag` runs first and meets the fault; `usage`, its sibling, and the other vendor are fine.
    assert materialized(result) == {"usage", "mirror"}
    failure = next(e for e in result.all_events if e.is_step_failure)
    assert "flag: partial" in str(failure.step_failure_data.error)
    (observed,) = result.get_asset_observation_events()
    metadata = observed.asset_observation_data.asset_observation.metadata
    assert (metadata["accepted"].value, metadata["rejected"].value) == (5, 1)
    said = " ".join(str(event) for event in result.all_events)
    assert "mail.example" not in said


def test_a_guarded_sync_is_not_green(settings: SyncSettings, box: Box, shop: Shop) -> None:
    write(settings, "mirror", AUDIENCE.replace("min_members: 0", "min_members: 99"))

    result = materialize(settings)

    assert not result.success
    assert materialized(result) == {"usage", "flag"}
    assert box.members("Buyers") == 0


def test_a_backfill_pushes_nothing(settings: SyncSettings, box: Box, shop: Shop) -> None:
    assets = build_sync_assets(list(load_specs(settings.specs).values()), settings, [])
    result = dg.materialize(assets, raise_on_error=False, tags={"dagster/backfill": "abc"})

    assert not result.success
    assert box.requests() == []


def test_an_alert_reaches_a_webhook() -> None:
    received: list[Any] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        alert(f"http://127.0.0.1:{server.server_port}/hook", "daily_segments failed in publish")
        thread.join()
    assert received == [{"text": "daily_segments failed in publish"}]
