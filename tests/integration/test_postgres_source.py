"""A connector's tables in a live PostgreSQL database load like the same tables in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dagster_project.sources import Access, SourceError
from tests.dbt.build import load_folder
from tests.sample_shop import RAW
from tests.support import airbyte, fivetran
from tests.support.postgres import PASSWORD, Postgres, running
from tests.support.remote import content, copied, loaded

ACCESS = Access(database_password=PASSWORD)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return load_folder(RAW, tmp_path_factory.mktemp("canonical"))


def refused(folder: Path, url: str, access: Access = ACCESS, name: str = "fivetran_shopify") -> str:
    with pytest.raises(SourceError) as caught:
        loaded(folder, name, url, access)
    assert list((folder / "copies").glob("*")) == []
    message = str(caught.value)
    assert PASSWORD not in message
    assert "\n" not in message
    return message


def in_schema(postgres: Postgres, schema: str) -> str:
    """The address of a schema, made anew."""
    postgres.run(f"DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")
    return f"{postgres.url}?schema={schema}"


def test_fivetrans_tables_of_the_sample_shop(postgres: Postgres, raw: Path, tmp_path: Path):
    file = tmp_path / "connector.duckdb"
    fivetran.write_database(raw, file, "fivetran")
    postgres.fill(file, "fivetran")
    here, _ = loaded(tmp_path, "fivetran_shopify", str(file))
    said: list[str] = []
    url = f"{postgres.url}?schema=fivetran"
    con, results = loaded(tmp_path, "fivetran_shopify", url, ACCESS, said.append)
    assert content(con) == content(here)
    assert len(content(con)["orders"]) > 1000
    assert results["orders"].files == ("copy.duckdb#fivetran",)
    place = f"postgresql://127.0.0.1:{postgres.port}/postgres"
    assert f"copied table fivetran.order_line from {place}" in said
    assert PASSWORD not in "".join(said)


def test_airbytes_streams_with_json(postgres: Postgres, raw: Path, tmp_path: Path):
    file = tmp_path / "streams.duckdb"
    airbyte.write_database(raw, file)
    postgres.fill(file, "airbyte")
    postgres.run("ALTER TABLE airbyte.orders ALTER line_items TYPE jsonb USING line_items::jsonb")
    here, _ = loaded(tmp_path, "airbyte_shopify", str(file))
    con, _ = loaded(tmp_path, "airbyte_shopify", f"{postgres.url}?schema=airbyte", ACCESS)
    assert content(con) == content(here)


def test_every_type_keeps_its_value(postgres: Postgres, tmp_path: Path):
    url = in_schema(postgres, "types")
    postgres.run(
        """
        CREATE TYPE types.status AS ENUM ('paid', 'voided');
        CREATE TABLE types."order" (
          id bigint, created_at timestamptz, processed_at timestamp(3), total_price numeric,
          total_line_items_price numeric(38, 9), total_tax double precision, customer_id numeric,
          test boolean, checkout_token uuid, financial_status types.status, email varchar(40),
          source_name text[], currency char(3), _fivetran_deleted boolean
        );
        INSERT INTO types."order" VALUES
          (9007199254740993, '2026-01-05 01:30:00+02', '2026-01-04 22:00:00.5',
           12345678901234.5678, 30.000000000, 0.1, 7000000000001.000, true,
           '3e9304e0-e2d2-482e-b0a2-197d1b1d7b81', 'paid', 'ann@mail.example', '{web,"a,b"}',
           'USD', null),
          (9007199254740994, '2026-01-05 01:30:00+02', null, 10, 'NaN', 0, 'NaN', false,
           null, 'voided', null, null, 'USD', false),
          (9007199254740995, '2026-01-05 01:30:00+02', null, 10, 1, 0, 1, false,
           null, 'voided', null, null, 'USD', true)
        """
    )
    con, _ = loaded(tmp_path, "fivetran_shopify", url, ACCESS)
    assert con.execute(
        """
        SELECT order_id, ordered_at::VARCHAR, total_amount::VARCHAR, gross_amount::VARCHAR,
          tax_amount::VARCHAR, customer_id, is_test, checkout_token, financial_status, email,
          source_name, currency
        FROM raw.orders ORDER BY order_id
        """
    ).fetchall() == [
        (
            *("9007199254740993", "2026-01-04 22:00:00.5+00", "12345678901234.5678", "30.0000"),
            *("0.1000", "7000000000001", True, "3e9304e0-e2d2-482e-b0a2-197d1b1d7b81", "paid"),
            *("ann@mail.example", '["web","a,b"]', "USD"),
        ),
        (
            *("9007199254740994", "2026-01-04 23:30:00+00", "10.0000", None, "0.0000", None),
            *(False, None, "voided", None, None, "USD"),
        ),
    ]


def a_shop(postgres: Postgres, schema: str) -> str:
    url = in_schema(postgres, schema)
    postgres.run(
        f"""
        CREATE TABLE {schema}."order" (id bigint, created_at timestamp, total_price numeric(9, 2));
        CREATE TABLE {schema}.order_line (id bigint, order_id bigint, quantity int);
        CREATE TABLE {schema}.password (word text);
        INSERT INTO {schema}."order" VALUES (1, '2026-01-05', 5);
        INSERT INTO {schema}.order_line VALUES (11, 1, 2)
        """
    )
    return url


def test_what_is_not_synced_is_missing_and_other_tables_are_left_there(
    postgres: Postgres, tmp_path: Path
):
    url = a_shop(postgres, "parts")
    _, results = loaded(tmp_path, "fivetran_shopify", url, ACCESS)
    missing = {result.table for result in results.values() if not result.present}
    assert {"customers", "refunds", "checkouts"} <= missing
    assert "order_lines" not in missing
    with copied(tmp_path, "fivetran_shopify", url, ACCESS) as local:
        file, _, schema = local.partition("#")
        assert schema == "parts"
        with duckdb.connect(file, read_only=True) as con:
            found = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    assert found == [("order",), ("order_line",)]


def test_a_view_is_as_good_as_a_table(postgres: Postgres, tmp_path: Path):
    a_shop(postgres, "base")
    url = in_schema(postgres, "views")
    postgres.run('CREATE VIEW views."order" AS SELECT * FROM base."order"')
    _, results = loaded(tmp_path, "fivetran_shopify", url, ACCESS)
    assert results["orders"].rows == 1


def test_what_is_written_between_two_tables_is_not_half_seen(postgres: Postgres, tmp_path: Path):
    url = a_shop(postgres, "moving")
    said: list[str] = []

    def writes_after_the_first_table(sentence: str) -> None:
        said.append(sentence)
        if len(said) == 1:
            postgres.run(
                """
                INSERT INTO moving."order" VALUES (2, '2026-01-06', 7);
                INSERT INTO moving.order_line VALUES (21, 2, 1)
                """
            )

    con, _ = loaded(tmp_path, "fivetran_shopify", url, ACCESS, writes_after_the_first_table)
    assert len(said) == 2
    assert con.execute("SELECT order_id FROM raw.orders").fetchall() == [("1",)]
    assert con.execute("SELECT order_id FROM raw.order_lines").fetchall() == [("1",)]
    con, _ = loaded(tmp_path, "fivetran_shopify", url, ACCESS)
    assert con.execute("SELECT count(*) FROM raw.order_lines").fetchall() == [(2,)]


def test_the_schema_with_the_main_table_is_found_or_asked_for(postgres: Postgres, tmp_path: Path):
    postgres.run(
        "DROP SCHEMA IF EXISTS one CASCADE; CREATE SCHEMA one;"
        "CREATE TABLE one.wc_order_stats (order_id bigint, date_created_gmt timestamp, "
        "total_sales numeric, status text);"
        "INSERT INTO one.wc_order_stats VALUES (1, '2026-01-05', 5, 'wc-completed')"
    )
    _, results = loaded(tmp_path, "woocommerce", postgres.url, ACCESS)
    assert results["orders"].files == ("copy.duckdb#one",)
    postgres.run(
        "DROP SCHEMA IF EXISTS two CASCADE; CREATE SCHEMA two;"
        "CREATE TABLE two.wc_order_stats (order_id bigint)"
    )
    message = refused(tmp_path, postgres.url, name="woocommerce")
    assert "must have the table wc_order_stats in one schema, found in: one, two" in message
    message = refused(tmp_path, f"{postgres.url}?schema=three", name="woocommerce")
    assert (
        "in schema three, found in: none (schemas with tables of this format: one, two" in message
    )
    postgres.run("DROP SCHEMA one CASCADE; DROP SCHEMA two CASCADE")


def test_the_password_may_be_in_the_address(postgres: Postgres, tmp_path: Path):
    url = a_shop(postgres, "secret").replace("shop@", "shop:a%20pass%27word%2Fwith%3Aodd%40signs@")
    _, results = loaded(tmp_path, "fivetran_shopify", url.replace("postgresql", "postgres"))
    assert results["orders"].rows == 1
    # What the address says wins, and neither is told.
    wrong = url.replace("odd", "even")
    message = refused(tmp_path, wrong)
    assert "user or password were refused; check PGPASSWORD" in message
    assert "pass" not in message.replace("password", "").replace("PGPASSWORD", "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("/postgres", "/nowhere"), "there is no such database or user; check the spelling"),
        (("127.0.0.1", "nowhere.invalid"), "there is no such host; check the spelling"),
        (("?", "?sslmode=require&"), "the server and sslmode do not fit together"),
        (("?", "?password=geheim&"), "has the option password: expected postgresql://user@host"),
        (("127.0.0.1:", "127.0.0.1:x"), "has no readable port: expected postgresql://user@host"),
    ],
)
def test_what_cannot_be_reached_is_told(
    postgres: Postgres, tmp_path: Path, change: tuple[str, str], said: str
):
    message = refused(tmp_path, f"{postgres.url}?schema=secret".replace(*change))
    assert said in message
    assert "geheim" not in message


def test_a_server_that_is_not_there(tmp_path: Path):
    message = refused(tmp_path, "postgresql://shop@127.0.0.1:1/shop", Access())
    assert message == (
        "postgresql://127.0.0.1:1/shop cannot be copied: expected a database to read, but nothing "
        "listens there; check host, port and that the server runs"
    )


def test_no_password_at_all(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    message = refused(tmp_path, postgres.url, Access())
    assert "the server wants a password; set PGPASSWORD" in message


def test_a_table_that_may_not_be_read(postgres: Postgres, tmp_path: Path):
    url = a_shop(postgres, "closed").replace("shop@", "guest@")
    postgres.run(
        """
        DROP ROLE IF EXISTS guest;
        CREATE ROLE guest LOGIN PASSWORD 'guest';
        GRANT USAGE ON SCHEMA closed TO guest;
        GRANT SELECT ON closed."order" TO guest
        """
    )
    message = refused(tmp_path, url, Access(database_password="guest"))
    assert message == (
        f"postgresql://127.0.0.1:{postgres.port}/postgres, table closed.order_line, cannot be "
        "copied: expected a database to read, but the user may not read all of it; grant SELECT "
        "on the connector's tables"
    )


@pytest.mark.parametrize("source_format", ["canonical", "shopify_csv"])
def test_a_format_of_files_is_not_read_from_a_database(tmp_path: Path, source_format: str):
    message = refused(tmp_path, "postgresql://shop@127.0.0.1/shop", name=source_format)
    assert message == (
        f"SEGMENTS_SOURCE_FORMAT is {source_format}, which is read from files: expected one of "
        "airbyte_shopify, fivetran_shopify, woocommerce for a postgresql:// source"
    )
