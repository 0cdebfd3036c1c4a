"""Drives the sandbox from a test: a real server in a process of its own, on loopback."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Box:
    """The control calls of one running sandbox."""

    address: str

    def call(self, method: str, path: str, document: object = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(  # noqa: S310 our own loopback server
            f"{self.address}/_sandbox{path}",
            data=body,
            method=method,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def reset(self) -> None:
        self.call("POST", "/reset")

    def configure(self, **numbers: Any) -> None:
        self.call("POST", "/config", numbers)

    def fault(self, vendor: str, action: str, **rule: Any) -> None:
        self.call("POST", "/faults", [{"vendor": vendor, "action": action, **rule}])

    def heal(self) -> None:
        self.call("DELETE", "/faults")

    def state(self) -> Any:
        return self.call("GET", "/state")

    def know(self, emails: list[str]) -> None:
        """Let Klaviyo have these profiles already."""
        self.call("POST", "/klaviyo/profiles", {"emails": emails})

    def requests(self, vendor: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/requests?vendor={vendor}")
        return found

    def writes(self, vendor: str) -> list[dict[str, Any]]:
        """Requests that reached the vendor to change something, in order."""
        return [r for r in self.requests(vendor) if r["method"] != "GET"]

    def property_values(self, name: str) -> dict[str, int]:
        values: dict[str, int] = (
            self.state()["klaviyo"]["properties"].get(name, {}).get("values", {})
        )
        return values

    def attribute_values(self, name: str) -> dict[str, int]:
        values: dict[str, int] = (
            self.state()["attentive"]["attributes"].get(name, {}).get("values", {})
        )
        return values

    def members(self, audience: str) -> int:
        for found in self.state()["facebook"]["audiences"]:
            if found["name"] == audience:
                return int(found["members"])
        return 0

    def events(self, vendor: str, name: str) -> int:
        return int(self.state()[vendor]["events"].get(name, {}).get("total", 0))
