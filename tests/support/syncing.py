"""Short ways to write a spec and run it."""

from __future__ import annotations

from syncs import Plan, Report, SyncSettings, chosen, plan_one, run_one

HEAD = """name: {name}
description: A sync of the tests.
owner: data@example.org
"""

PROFILE = """destination: klaviyo_profile
audience: everyone
identify_by: {email: email}
properties: {used: ever_used_discount_code}
guard: {max_removed: null, min_members: 0}
"""

AUDIENCE = """destination: facebook_audience
audience: buyers
audience_name: Buyers
identify_by: {EMAIL: email, FN: first_name}
guard: {max_removed: null, min_members: 0}
"""


def write(settings: SyncSettings, name: str, text: str) -> None:
    """Write one spec file."""
    (settings.specs / f"{name}.yml").write_text(HEAD.format(name=name) + text)


def run(settings: SyncSettings, name: str) -> Report:
    """Run one sync by name."""
    return run_one(settings, chosen(settings, [name])[name])


def plan(settings: SyncSettings, name: str) -> Plan:
    """Plan one sync by name."""
    return plan_one(settings, chosen(settings, [name])[name])
