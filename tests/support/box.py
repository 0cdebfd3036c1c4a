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

    def by_hand(self, path: str, **body: Any) -> int:
        """Change what a vendor holds as its own staff would; how much was changed."""
        return int(self.call("POST", path, body)["changed"])

    def delete_profiles(self, emails: list[str]) -> int:
        return self.by_hand("/klaviyo/profiles/delete", emails=emails)

    def set_properties(self, emails: list[str], **properties: Any) -> int:
        """At Klaviyo; None removes a property."""
        return self.by_hand("/klaviyo/profiles/set", emails=emails, properties=properties)

    def delete_people(self, **people: list[str]) -> int:
        """At Attentive, by ``phones`` and ``emails``."""
        return self.by_hand("/attentive/people/delete", **people)

    def set_attributes(self, properties: dict[str, Any], **people: list[str]) -> int:
        """At Attentive, by ``phones`` and ``emails``; None removes an attribute."""
        return self.by_hand("/attentive/people/set", properties=properties, **people)

    def audience_id(self, name: str) -> str:
        found = [a for a in self.state()["facebook"]["audiences"] if a["name"] == name]
        assert len(found) == 1, f"{len(found)} audiences are named {name}"
        return str(found[0]["id"])

    def delete_members(self, audience: str, **which: Any) -> int:
        """Of a Facebook audience, by ``cells`` or the first ``count``."""
        key = self.audience_id(audience)
        return self.by_hand("/facebook/members/delete", audience_id=key, **which)

    def delete_audience(self, audience: str) -> int:
        key = self.audience_id(audience)
        return self.by_hand("/facebook/audiences/delete", audience_id=key)

    def rename_audience(self, audience: str, name: str) -> int:
        key = self.audience_id(audience)
        return self.by_hand("/facebook/audiences/rename", audience_id=key, name=name)

    def force_status(
        self, audience: str, code: int | None, *, seconds: float | None = None
    ) -> None:
        """The operation status of a Facebook audience, for a while or until None is forced."""
        key = self.audience_id(audience)
        self.by_hand("/facebook/audiences/status", audience_id=key, code=code, seconds=seconds)

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
