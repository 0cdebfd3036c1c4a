"""The activation half: published segments in, profile properties, events and audiences out.

No orchestrator and no dbt in here: it runs from ``python -m syncs``, cron, a notebook or Dagster.
The names below are what other packages may use.
"""

from syncs.drift import Drift
from syncs.erasure import Erasures, conclude_erasures, erase_account
from syncs.errors import PlanMovedError, SpecError, SyncError
from syncs.keepout import KeepOut, install_keep_out
from syncs.reconcile import reconcile_account
from syncs.records import Plan, Progress, Report, Status
from syncs.runner import chosen, plan_one, run_account, run_one
from syncs.settings import SyncSettings
from syncs.spec import AnySpec
from syncs.spec_files import load_specs

__all__ = [
    "AnySpec",
    "Drift",
    "Erasures",
    "KeepOut",
    "Plan",
    "PlanMovedError",
    "Progress",
    "Report",
    "SpecError",
    "Status",
    "SyncError",
    "SyncSettings",
    "chosen",
    "conclude_erasures",
    "erase_account",
    "install_keep_out",
    "load_specs",
    "plan_one",
    "reconcile_account",
    "run_account",
    "run_one",
]
