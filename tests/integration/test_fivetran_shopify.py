"""What Fivetran's connector leaves behind, whole or in parts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.sources import SourceError, open_source
from tests.support.connectors import Connector


@pytest.fixture
def connector(tmp_path: Path) -> Connector:
    return Connector(tmp_path, "fivetran_shopify")


def order(order_id: int = 1, **columns: str) -> str:
    given = {
        "id": str(order_id),
        "created_at": "TIMESTAMP '2026-01-05 04:30:00'",
        "email": "'ann@mail.example'",
        "total_price": "37.0",
        "total_line_items_price": "30.0",
        "subtotal_price": "30.0",
        "total_discounts": "0.0",
        "_fivetran_deleted": "false",
    } | columns
    return "SELECT " + ", ".join(f"{value} AS {name}" for name, value in given.items())


def test_orders_alone_are_enough(connector: Connector):
    connector.put("order", order())
    results = connector.load()
    assert [r.table for r in results.values() if r.present] == ["orders", "order_discounts"]
    assert connector.query(
        "SELECT order_id, ordered_at::VARCHAR, gross_amount, discount_amount FROM raw.orders"
    ) == [("1", "2026-01-05 04:30:00+00", 30, 0)]
    assert {"customer_id", "is_test", "tags"} <= set(results["orders"].missing_columns)


def test_discounts_that_are_not_synced_are_missing_and_none_at_all_is_none(connector: Connector):
    connector.put("order", order(total_discounts="3.0", subtotal_price="27.0"))
    assert not connector.load()["order_discounts"].present


def test_what_the_connector_deleted_is_gone(connector: Connector):
    deleted = order(2, _fivetran_deleted="true")
    unmarked = order(3, _fivetran_deleted="NULL")
    connector.put("order", f"{order()} UNION ALL {deleted} UNION ALL {unmarked}")
    connector.load()
    assert connector.query("SELECT order_id FROM raw.orders ORDER BY 1") == [("1",), ("3",)]


def test_an_imported_order_was_placed_when_it_was_processed(connector: Connector):
    connector.put("order", order(processed_at="TIMESTAMP '2019-05-01 12:00:00'"))
    connector.load()
    assert connector.query("SELECT year(ordered_at) FROM raw.orders") == [(2019,)]


def test_trap_09_kind_from_applications_money_from_allocations(connector: Connector):
    connector.put("order", order())
    connector.put("order_line", "SELECT 11 AS id, 1 AS order_id UNION ALL SELECT 12, 1")
    connector.put(
        "discount_application",
        """
        SELECT 1 AS order_id, 0 AS index, 'manual' AS type, NULL AS code, 'Sorry' AS title,
          'line_item' AS target_type, '10' AS value
        UNION ALL SELECT 1, 1, 'discount_code', 'Summer', NULL, 'line_item', '99'
        UNION ALL SELECT 1, 2, 'discount_code', 'SHIP', NULL, 'shipping_line', '100'
        """,
    )
    connector.put(
        "discount_allocation",
        """
        SELECT 11 AS order_line_id, 1.5 AS amount, 0 AS discount_application_index
        UNION ALL SELECT 11, 2.0, 1 UNION ALL SELECT 12, 0.25, 1
        """,
    )
    connector.put(
        "order_discount_code",
        "SELECT 1 AS order_id, 0 AS index, ' SUMMER ' AS code, 9.0 AS amount, 'fixed' AS type "
        "UNION ALL SELECT 1, 1, 'SPRING30', 3.0, 'percentage'",
    )
    connector.load()
    assert connector.query(
        "SELECT kind, code, target, amount FROM raw.order_discounts ORDER BY discount_index"
    ) == [
        ("manual", None, "line_item", 1.5),
        ("code", "Summer", "line_item", 2.25),
        ("code", "SHIP", "shipping", None),
        # Not in the applications, and its money is with them.
        ("code", "SPRING30", "line_item", None),
    ]
    assert connector.query("SELECT discount_amount FROM raw.order_lines ORDER BY line_id") == [
        (3.5,),
        (0.25,),
    ]


def test_trap_25_every_code_of_an_order_is_kept(connector: Connector):
    connector.put("order", order())
    connector.put(
        "order_discount_code",
        "SELECT 1 AS order_id, 0 AS index, 'FREE' AS code, 5.0 AS amount, 'shipping' AS type "
        "UNION ALL SELECT 1, 1, 'SAVE10', 3.0, 'percentage'",
    )
    connector.load()
    assert connector.query(
        "SELECT kind, code, target, amount FROM raw.order_discounts ORDER BY discount_index"
    ) == [("code", "FREE", "shipping", 5), ("code", "SAVE10", "line_item", 3)]


def test_a_refund_is_what_was_paid_back_or_what_its_lines_add_up_to(connector: Connector):
    connector.put("order", order())
    connector.put(
        "refund",
        "SELECT 7 AS id, 1 AS order_id, TIMESTAMP '2026-02-01' AS created_at "
        "UNION ALL SELECT 8, 1, TIMESTAMP '2026-02-02'",
    )
    connector.put(
        "transaction",
        "SELECT 7 AS refund_id, 'refund' AS kind, 'success' AS status, 4.0 AS amount "
        "UNION ALL SELECT 7, 'refund', 'failure', 4.0 UNION ALL SELECT 7, 'sale', 'success', 37.0",
    )
    connector.put(
        "refund_line_item",
        "SELECT 8 AS refund_id, 11 AS order_line_id, 1 AS quantity, 9.0 AS subtotal, "
        "1.0 AS total_tax",
    )
    connector.put(
        "order_adjustment", "SELECT 8 AS refund_id, -2.5 AS amount, NULL::DOUBLE AS tax_amount"
    )
    connector.put("order_line", "SELECT 11 AS id, 1 AS order_id, 2 AS quantity")
    connector.load()
    assert connector.query("SELECT refund_id, amount FROM raw.refunds ORDER BY 1") == [
        ("7", 4),
        ("8", 12.5),
    ]
    assert connector.query("SELECT refunded_quantity FROM raw.order_lines") == [(1,)]


def test_trap_14_amounts_are_the_shops_whatever_was_paid_with(connector: Connector):
    connector.put("order", order(currency="'USD'", presentment_currency="'EUR'"))
    connector.put(
        "refund",
        "SELECT unnest([7, 8, 9, 10]) AS id, 1 AS order_id, TIMESTAMP '2026-02-01' AS created_at",
    )
    connector.put(
        "transaction",
        "SELECT 7 AS refund_id, 'refund' AS kind, 'success' AS status, 8.0 AS amount, "
        "'EUR' AS currency UNION ALL SELECT 8, 'refund', 'success', 4.0, 'USD' "
        "UNION ALL SELECT 9, 'refund', 'success', 3.0, 'EUR' "
        "UNION ALL SELECT 10, 'refund', 'success', 2.0, 'EUR'",
    )
    connector.put(
        "order_line_refund",
        "SELECT 7 AS refund_id, 11 AS order_line_id, 1 AS quantity, 9.0 AS subtotal, "
        "0.5 AS total_tax",
    )
    connector.put("order_adjustment", "SELECT 10 AS refund_id, -2.25 AS amount, 0.0 AS tax_amount")
    # One whose amount nobody knows is rejected rather than taken for nothing.
    results = connector.load(rejected=1.0)
    assert connector.query("SELECT currency, total_amount FROM raw.orders") == [("USD", 37)]
    assert connector.query("SELECT refund_id, amount FROM raw.refunds ORDER BY amount") == [
        ("10", Decimal("2.25")),
        ("8", 4),
        ("7", Decimal("9.5")),
    ]
    assert results["refunds"].reasons == {"amount is missing": 1}


def test_the_graphql_connector_names_things_otherwise(connector: Connector):
    connector.put(
        "order",
        "SELECT 1 AS id, TIMESTAMPTZ '2026-01-05 04:30:00+00' AS created_at, 5.0 AS total_price, "
        "'PAID' AS display_financial_status, 'USD' AS currency_code, '192.0.2.1' AS client_ip",
    )
    connector.load()
    assert connector.query("SELECT financial_status, currency, client_ip FROM raw.orders") == [
        ("paid", "USD", "192.0.2.1")
    ]


def test_words_of_consent(connector: Connector):
    connector.put("order", order())
    states = ("SUBSCRIBED", "NOT_SUBSCRIBED", "PENDING", "UNSUBSCRIBED", "REDACTED")
    rows = " UNION ALL ".join(
        f"SELECT {i} AS id, '{state}' AS email_marketing_consent_state"
        for i, state in enumerate(states)
    )
    connector.put("customer", rows)
    connector.load()
    assert connector.query("SELECT email_consent FROM raw.customers ORDER BY customer_id") == [
        ("subscribed",),
        ("never",),
        ("pending",),
        ("unsubscribed",),
        (None,),
    ]


def test_a_folder_of_parquet(connector: Connector, tmp_path: Path):
    folder = tmp_path / "export"
    (folder / "order").mkdir(parents=True)
    connector.con.execute(f"COPY ({order()}) TO '{folder}/order/1.parquet'")
    second = order(2, phone="'+12125550101'")
    connector.con.execute(f"COPY ({second}) TO '{folder}/order/2.parquet'")
    (folder / "suppressions.csv").write_text("email\nbob@mail.example\n")
    results = connector.load(str(folder))
    assert connector.query("SELECT order_id, phone FROM raw.orders ORDER BY 1") == [
        ("1", None),
        ("2", "+12125550101"),
    ]
    assert results["suppressions"].rows == 1


@pytest.mark.parametrize("name", ["shop [1]", "shop*", "shop?"])
def test_a_folder_with_a_name_that_looks_like_a_pattern(
    connector: Connector, tmp_path: Path, name: str
):
    for folder, order_id in ((name, 1), ("shop 1", 2), ("shops", 3)):
        (tmp_path / folder / "order_line").mkdir(parents=True)
        connector.con.execute(f"COPY ({order(order_id)}) TO '{tmp_path / folder}/order.parquet'")
        connector.con.execute(
            f"COPY (SELECT 11 AS id, {order_id} AS order_id) "
            f"TO '{tmp_path / folder}/order_line/1.parquet'"
        )
    connector.load(str(tmp_path / name))
    assert connector.query("SELECT order_id FROM raw.orders") == [("1",)]
    assert connector.query("SELECT order_id FROM raw.order_lines") == [("1",)]


def test_two_schemas_have_to_be_told_apart(connector: Connector):
    connector.put("order", order(), schema="shop_us")
    connector.put("order", order(2), schema="shop_ca")
    with pytest.raises(SourceError, match=r"found in: shop_ca, shop_us"):
        connector.load()
    connector.load(f"{connector.file}#shop_ca")
    assert connector.query("SELECT order_id FROM raw.orders") == [("2",)]


def test_without_orders_there_is_nothing_to_load(connector: Connector, tmp_path: Path):
    connector.put("customer", "SELECT 1 AS id")
    with pytest.raises(SourceError, match="must have the table order in one schema"):
        connector.load()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="has no order"):
        connector.load(str(tmp_path / "empty"))
    with pytest.raises(SourceError, match="expected a DuckDB file"):
        open_source("fivetran_shopify", str(tmp_path / "nowhere"))
