from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from dagster_project import history, warehouse

DAY_1 = date(2026, 11, 20)
DAY_2 = date(2026, 11, 21)
# What the history compares, beside the version that these tests look at.
COMPARED = {
    "customers": ", 'c_1' AS customer_key",
    "customer_identities": ", 'c_1' AS customer_key, 'email' AS id_type, 'a@m.example' AS id_value",
    "erasures": ", 'c_2' AS customer_key, 'email' AS id_type, 'b@m.example' AS id_value",
    "orders": ", 'o_1' AS order_id, 'c_1' AS customer_key, DATE '2026-11-01' AS ordered_on, "
    "true AS is_valid, NULL::VARCHAR AS invalid_reason, 0.00 AS refunded_amount, "
    "9.99 AS net_amount, ['code'] AS discount_kinds, ['SAVE'] AS discount_codes",
    "segment_members": ", 'buyers' AS segment, 'c_1' AS customer_key",
    "segment_catalog": ", 'buyers' AS segment, '{}' AS parameters, 'available' AS status",
}
HOLDER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "read-only")
print("open", flush=True)
for line in sys.stdin:
    try:
        print(con.execute(line).fetchall(), flush=True)
    except Exception as error:
        print("error", " ".join(str(error).split()), flush=True)
con.close()
"""


class Holder:
    """A second process with a database file open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self.answer() == "open"

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, sql: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(sql + "\n")
        self._process.stdin.flush()
        return self.answer()

    @property
    def pid(self) -> int:
        return self._process.pid


@contextmanager
def holding(path: Path, mode: str) -> Iterator[Holder]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Holder(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "warehouse.duckdb"
    with warehouse.write(path) as con:
        con.execute("CREATE SCHEMA marts")
        for name in (*warehouse.PUBLISHED_TABLES, warehouse.ERASURES):
            extra = COMPARED.get(name, "")
            con.execute(f"CREATE TABLE marts.{name} AS SELECT 1 AS version, 'x' AS note{extra}")
        con.execute("CREATE TABLE marts.internal AS SELECT 1 AS x")
    return path


@pytest.fixture
def published(path: Path) -> Path:
    return path.parent / "published" / "segments.duckdb"


def publish(path: Path, published: Path, as_of: date = DAY_1) -> warehouse.Publication:
    return warehouse.publish(
        path,
        published,
        as_of=as_of,
        shop_timezone="America/New_York",
        shop_currency="USD",
        clock=lambda: datetime(2026, 11, 21, 6, tzinfo=UTC),
    )


def change(path: Path, *statements: str) -> None:
    with warehouse.write(path) as con:
        for statement in statements:
            con.execute(statement)


def version(published: Path) -> object:
    with warehouse.read(published) as con:
        row = con.execute("SELECT version FROM customers").fetchone()
    return row[0] if row else None


def test_connections_are_closed_even_after_an_error(path: Path):
    with pytest.raises(duckdb.CatalogException), warehouse.write(path) as con:
        con.execute("FROM nothing")
    with warehouse.read(path) as con:
        assert con.execute("SELECT version FROM marts.customers").fetchall() == [(1,)]
    with warehouse.write(path) as con:
        con.execute("CREATE TABLE t (x INTEGER)")


def test_a_reader_cannot_write_and_nothing_is_downloaded(path: Path):
    with warehouse.read(path) as con:
        with pytest.raises(duckdb.InvalidInputException):
            con.execute("CREATE TABLE t (x INTEGER)")
        settings = dict(
            con.execute(
                "SELECT name, value FROM duckdb_settings() "
                "WHERE name IN ('autoinstall_known_extensions', 'TimeZone')"
            ).fetchall()
        )
    assert settings == {"autoinstall_known_extensions": "false", "TimeZone": "UTC"}


def test_reading_what_is_not_there(tmp_path: Path):
    missing = tmp_path / "warehouse.duckdb"
    with pytest.raises(warehouse.WarehouseError, match="load the source"), warehouse.read(missing):
        pass
    assert not missing.exists()


def test_a_file_that_is_no_database(tmp_path: Path):
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"not a database" * 1000)
    waits: list[float] = []
    with (
        pytest.raises(warehouse.WarehouseError, match="cannot be opened"),
        warehouse.read(path, sleep=waits.append),
    ):
        pass
    assert waits == []


@pytest.mark.parametrize("mode", ["read-only", "read-write"])
def test_a_locked_file_names_the_process_that_holds_it(path: Path, mode: str):
    waits: list[float] = []
    with (
        holding(path, mode) as holder,
        pytest.raises(warehouse.WarehouseLockedError) as caught,
        warehouse.write(path, sleep=waits.append),
    ):
        pass
    assert f"process {holder.pid} (" in str(caught.value)
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_a_lock_that_is_released_in_time_is_waited_for(path: Path):
    with holding(path, "read-write") as holder:

        def sleep(_: float) -> None:
            assert holder._process.stdin is not None
            holder._process.stdin.close()
            holder._process.wait(timeout=20)

        with warehouse.write(path, sleep=sleep) as con:
            con.execute("SELECT 1")
        holder._process.stdin = open("/dev/null", "w")  # noqa: PTH123, SIM115


def test_a_file_open_in_another_mode_in_this_process(path: Path):
    with (
        warehouse.read(path),
        pytest.raises(warehouse.WarehouseLockedError, match="this process holds it open"),
        warehouse.write(path, sleep=lambda _: None),
    ):
        pass


def test_the_published_file_holds_the_marts_and_says_what_it_is(path: Path, published: Path):
    publication = publish(path, published)
    assert publication.tables == dict.fromkeys(warehouse.PUBLISHED_TABLES, 1)
    with warehouse.read(published) as con:
        tables = {row[0] for row in con.execute("SHOW TABLES").fetchall()}
        about = con.execute("FROM publication").fetchall()
        described = con.execute("DESCRIBE publication").fetchall()
    assert tables == {*warehouse.PUBLISHED_TABLES, "publication", *history.TABLES}
    assert about == [
        (
            publication.publication_id,
            DAY_1,
            datetime(2026, 11, 21, 6, tzinfo=UTC),
            "America/New_York",
            "USD",
        )
    ]
    assert [(row[0], row[1]) for row in described] == [
        ("publication_id", "VARCHAR"),
        ("as_of", "DATE"),
        ("published_at", "TIMESTAMP WITH TIME ZONE"),
        ("shop_timezone", "VARCHAR"),
        ("shop_currency", "VARCHAR"),
    ]
    assert sorted(p.name for p in published.parent.iterdir()) == [
        ".publish.lock",
        "erasures.duckdb",
        "segments.duckdb",
    ]
    assert published.stat().st_mode & 0o777 == 0o444


def test_comments_come_along_from_tables_and_views(path: Path, published: Path):
    change(
        path,
        "COMMENT ON TABLE marts.customers IS 'one row per customer, it''s stable'",
        "COMMENT ON COLUMN marts.customers.version IS 'counts up'",
        "DROP TABLE marts.orders",
        f"CREATE VIEW marts.orders AS SELECT 2 AS version{COMPARED['orders']}",
        "COMMENT ON VIEW marts.orders IS 'one row per order'",
    )
    publish(path, published)
    with warehouse.read(published) as con:
        comments = con.execute(
            "SELECT table_name, comment FROM duckdb_tables() "
            "WHERE comment IS NOT NULL AND NOT list_contains($history, table_name) ORDER BY 1",
            {"history": list(history.TABLES)},
        ).fetchall()
        columns = con.execute(
            "SELECT column_name, comment FROM duckdb_columns() "
            "WHERE comment IS NOT NULL AND NOT list_contains($history, table_name)",
            {"history": list(history.TABLES)},
        ).fetchall()
    assert comments == [
        ("customers", "one row per customer, it's stable"),
        ("orders", "one row per order"),
    ]
    assert columns == [("version", "counts up")]


def test_each_publication_has_an_id_of_its_own(path: Path, published: Path):
    ids = {publish(path, published).publication_id for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize("mode", ["read-only", "read-write"])
def test_a_reader_of_yesterday_is_not_disturbed(path: Path, published: Path, mode: str):
    publish(path, published)
    # Whoever insists on opening the copy for writing has to make it writable first.
    published.chmod(0o644)
    with holding(published, mode) as holder:
        change(path, "UPDATE marts.customers SET version = 2")
        publish(path, published, DAY_2)
        assert holder.ask("SELECT version FROM customers") == "[(1,)]"
        assert holder.ask("SELECT as_of::VARCHAR FROM publication") == "[('2026-11-20',)]"
        assert version(published) == 2
    assert version(published) == 2


def test_what_somebody_wrote_into_the_old_copy_is_not_replayed_on_the_new_one(
    path: Path, published: Path
):
    publish(path, published)
    published.chmod(0o644)
    script = (
        "import os, sys, duckdb; con = duckdb.connect(sys.argv[1]);"
        "con.execute('CREATE TABLE scribbled AS SELECT 1 AS x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(published)], check=False)
    assert published.with_name("segments.duckdb.wal").exists()
    change(path, "UPDATE marts.customers SET version = 2")
    publish(path, published)
    with warehouse.read(published) as con:
        tables = {row[0] for row in con.execute("SHOW TABLES").fetchall()}
    assert "scribbled" not in tables
    assert version(published) == 2


def test_a_missing_mart_publishes_nothing(path: Path, published: Path):
    publish(path, published)
    before = published.read_bytes()
    change(path, "DROP TABLE marts.segment_sizes", "DROP TABLE marts.customers")
    with pytest.raises(warehouse.PublishError, match="lacks customers, segment_sizes"):
        publish(path, published)
    assert published.read_bytes() == before


def test_a_failure_in_the_middle_leaves_yesterdays_file(path: Path, published: Path):
    publish(path, published)
    before = published.read_bytes()
    last = warehouse.PUBLISHED_TABLES[-1]
    change(
        path,
        "UPDATE marts.customers SET version = 2",
        f"DROP TABLE marts.{last}",
        f"CREATE VIEW marts.{last} AS SELECT CAST(note AS INTEGER) AS x FROM marts.customers",
    )
    with pytest.raises(warehouse.PublishError, match="nothing was published"):
        publish(path, published)
    assert published.read_bytes() == before
    assert sorted(p.name for p in published.parent.iterdir()) == [
        ".publish.lock",
        "erasures.duckdb",
        "segments.duckdb",
    ]


def test_what_a_killed_run_left_behind_is_removed(path: Path, published: Path):
    published.parent.mkdir()
    leftovers = [published.parent / f".segments-dead.duckdb{end}" for end in ("", ".wal")]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    folder = published.parent / ".segments-killed"
    folder.mkdir()
    (folder / "published.duckdb").write_bytes(b"half")
    publish(path, published)
    assert not any(leftover.exists() for leftover in [*leftovers, folder])


def test_whom_the_vendors_have_to_erase_is_for_its_owner_alone(path: Path, published: Path):
    change(
        path,
        "CREATE OR REPLACE TABLE marts.erasures AS SELECT 'c_1' AS customer_key, "
        "DATE '2026-11-19' AS requested_on, unnest(['email', 'phone']) AS id_type, 'x' AS id_value",
        "COMMENT ON TABLE marts.erasures IS 'whom to erase'",
    )
    before = os.umask(0)
    try:
        publication = publish(path, published)
    finally:
        os.umask(before)
    erasures = published.with_name("erasures.duckdb")
    assert erasures.stat().st_mode & 0o777 == 0o600
    assert publication.erasures == 2
    with warehouse.read(erasures) as con:
        assert con.execute("SELECT id_type FROM erasures ORDER BY 1").fetchall() == [
            ("email",),
            ("phone",),
        ]
        about = con.execute("FROM publication").fetchall()
        comments = con.execute("SELECT DISTINCT comment FROM duckdb_tables() ORDER BY 1").fetchall()
    assert comments == [("whom to erase",), (None,)]
    with warehouse.read(published) as con:
        assert con.execute("FROM publication").fetchall() == about
        assert ("erasures",) not in con.execute("SHOW TABLES").fetchall()


def test_without_the_list_of_erasures_nothing_is_published(path: Path, published: Path):
    change(path, "DROP TABLE marts.erasures")
    with pytest.raises(warehouse.PublishError, match="lacks erasures"):
        publish(path, published)
    assert not published.exists()


def test_two_publishers_do_not_meet(path: Path, published: Path):
    publish(path, published)
    with (published.parent / ".publish.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(warehouse.PublishError, match="another process is publishing"):
            publish(path, published)
    publish(path, published)


def test_publishing_while_somebody_writes_the_warehouse(path: Path, published: Path):
    with holding(path, "read-write"), pytest.raises(warehouse.WarehouseLockedError):
        warehouse.publish(
            path,
            published,
            as_of=DAY_1,
            shop_timezone="UTC",
            shop_currency="USD",
            clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
            sleep=lambda _: None,
        )
    assert not published.exists()


def test_publishing_without_a_warehouse(tmp_path: Path):
    with pytest.raises(warehouse.WarehouseError, match="there is no"):
        publish(tmp_path / "warehouse.duckdb", tmp_path / "published" / "segments.duckdb")
