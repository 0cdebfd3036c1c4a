"""A sandbox in process with a clock of its own, and short ways to call its vendors."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from syncs.sandbox import create_app

KLAVIYO = {"Authorization": "Klaviyo-API-Key pk_test", "revision": "2026-07-15"}
ATTENTIVE = {"Authorization": "Bearer token"}
FACEBOOK = {"Authorization": "Bearer token"}
# A whole minute, so that both windows of a limiter begin here.
START = 1_795_000_020.0


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Lab:
    """Calls to one sandbox."""

    def __init__(self, home: Path, runner: asyncio.Runner) -> None:
        self.home = home
        self.clock = Clock()
        self.app = create_app(home, clock=self.clock)
        self._runner = runner

    def fresh(self) -> "Lab":
        """The same sandbox as if it were new: a file less to make for every test."""
        self.clock.now = START
        assert self.call("POST", "/_sandbox/reset").status_code == 200
        return self

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request, in process."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
                return await client.request(method, path, **options)

        return self._runner.run(send())

    def klaviyo(
        self, method: str, path: str, *, headers: Mapping[str, str] = KLAVIYO, **options: Any
    ) -> httpx.Response:
        return self.call(method, f"/klaviyo{path}", headers=headers, **options)

    def attentive(
        self, method: str, path: str, *, headers: Mapping[str, str] = ATTENTIVE, **options: Any
    ) -> httpx.Response:
        return self.call(method, f"/attentive{path}", headers=headers, **options)

    def facebook(
        self, method: str, path: str, *, headers: Mapping[str, str] = FACEBOOK, **options: Any
    ) -> httpx.Response:
        return self.call(method, f"/facebook/v26.0{path}", headers=headers, **options)

    def configure(self, **values: Any) -> None:
        answer = self.call("POST", "/_sandbox/config", json=values)
        assert answer.status_code == 200, answer.text

    def faults(self, *rules: dict[str, Any]) -> None:
        answer = self.call("POST", "/_sandbox/faults", json=list(rules))
        assert answer.status_code == 200, answer.text

    def state(self) -> Any:
        return self.call("GET", "/_sandbox/state").json()

    def requests(self) -> Any:
        return self.call("GET", "/_sandbox/requests").json()


@contextmanager
def open_lab(home: Path) -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        lab = Lab(home, runner)
        yield lab
        lab.app.state.store.close()


def bulk(*rows: Any) -> dict[str, Any]:
    """The document of a Klaviyo bulk import."""
    return {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": list(rows)}},
        },
    }


def row(email: str | None = None, **more: Any) -> dict[str, Any]:
    """A Klaviyo profile resource with these attributes."""
    attributes = {**({} if email is None else {"email": email}), **more}
    return {"type": "profile", "attributes": attributes}


def run_job(lab: Lab, *rows: Any) -> dict[str, Any]:
    """Imports rows and moves the clock until they are applied; the job's attributes."""
    answer = lab.klaviyo("POST", "/api/profile-bulk-import-jobs", json=bulk(*rows))
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["data"]["id"]
    lab.clock.now += 5
    data = lab.klaviyo("GET", f"/api/profile-bulk-import-jobs/{job_id}").json()["data"]
    assert data["attributes"]["status"] == "complete"
    return {"id": job_id, **data["attributes"]}


def profile(lab: Lab, email: str) -> Any:
    """The profile with this address, or None."""
    params = {"filter": f'equals(email,"{email}")'}
    data = lab.klaviyo("GET", "/api/profiles", params=params).json()["data"]
    return data[0] if data else None
