"""A variable outside its domain stops dbt with the variable's name and the allowed words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.dbt.build import dbt


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"order_grain": "week"},
            "variable order_grain: 'week' is not allowed; use one of: order, customer_day",
        ),
        (
            {"thresholds": "guess"},
            "variable thresholds: 'guess' is not allowed; use one of: fixed, percentile",
        ),
        (
            {"thresholds": "percentile", "lapse_pct": 0.8},
            "variable lapse_pct: must be larger than churn_pct",
        ),
        (
            {"abuse_weights": {"shared_hat": 3}},
            "variable abuse_weights: there is no sign 'shared_hat'",
        ),
        (
            {"abandoned_cart_offers_count": "redemptions"},
            "variable abandoned_cart_family: 'None' is not a family",
        ),
        ({"lapse_days": 180}, "variable lapse_days: must be larger than active_days"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    result = dbt(tmp_path, "parse", **variables)
    assert result.returncode != 0
    assert message in " ".join(result.stdout.split())


def test_only_a_run_needs_the_as_of_date(tmp_path: Path) -> None:
    assert dbt(tmp_path, "parse", as_of=...).returncode == 0
    result = dbt(tmp_path, "compile", "--select", "int_orders_known", as_of=...)
    assert result.returncode != 0
    assert "variable as_of: give the as-of date" in result.stdout
