"""Sources on object storage and behind a web address: copied, loaded like files, gone again."""

from __future__ import annotations

import gzip
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.assets.load import build_load_assets
from dagster_project.settings import Settings
from dagster_project.sources import Access, LoadError, ObjectStore, SourceError
from tests.sample_shop import RAW, ROOT
from tests.support import web_server
from tests.support.object_storage import Storage, running
from tests.support.remote import content, copied, loaded
from tests.support.web_server import WebServer

SHOPIFY = ROOT / "seeds" / "shopify"
ORDERS = b"order_id,ordered_at,total_amount\n1,2026-01-05,10\n2,2026-01-06,11.5\n"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with running(tmp_path_factory.mktemp("storage")) as storage:
        storage.bucket("shop")
        storage.put_folder("shop", "exports/daily/", SHOPIFY)
        lake = tmp_path_factory.mktemp("lake")
        (lake / "orders").mkdir()
        for file in RAW.glob("*.csv"):
            if file.stem != "orders":
                (lake / file.name).write_bytes(file.read_bytes())
        with duckdb.connect() as con:
            for part in (0, 1):
                con.execute(
                    f"COPY (FROM read_csv('{RAW}/orders.csv', all_varchar = true) "
                    f"WHERE hash(order_id) % 2 = {part}) TO '{lake}/orders/part-{part}.parquet'"
                )
        storage.put_folder("shop", "lake/", lake)
        storage.put("shop", "lake/orders/_SUCCESS", b"")
        storage.put("shop", "lake/archive/orders.csv", b"not for us")
        storage.put("shop", "lake/", b"")
        storage.bucket("odd")
        storage.bucket("empty")
        yield storage


@pytest.fixture
def access(storage: Storage) -> Access:
    return Access(storage.store)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server.serving() as server:
        yield server


def refused(folder: Path, source_format: str, location: str, access: Access | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        loaded(folder, source_format, location, access)
    assert list((folder / "copies").glob("*")) == []
    return str(caught.value)


def test_a_folder_of_parquet_and_csv(access: Access, tmp_path: Path):
    said: list[str] = []
    con, results = loaded(tmp_path, "canonical", "s3://shop/lake/", access, said.append)
    here, _ = loaded(tmp_path, "canonical", str(RAW))
    assert content(con) == content(here)
    assert results["orders"].files == ("orders/part-0.parquet", "orders/part-1.parquet")
    size = sum(file.stat().st_size for file in RAW.glob("*.csv") if file.stem != "orders")
    [sentence] = said
    assert sentence.startswith("copying 14 files of ")
    assert sentence.endswith(" bytes from s3://shop/lake/")
    assert int(sentence.split()[4].replace(",", "")) > size
    # The name of a folder is enough.
    again, _ = loaded(tmp_path, "canonical", "s3://shop/lake", access)
    assert content(again) == content(here)


def test_the_exports_of_shopify_as_a_folder_and_as_a_glob(access: Access, tmp_path: Path):
    here, _ = loaded(tmp_path, "shopify_csv", str(SHOPIFY))
    con, _ = loaded(tmp_path, "shopify_csv", "s3://shop/exports/", access)
    assert content(con) == content(here)
    con, results = loaded(tmp_path, "shopify_csv", "s3://shop/exports/*/orders_*.csv", access)
    assert content(con)["orders"] == content(here)["orders"]
    assert not next(r for r in results.values() if r.table == "suppressions").present


def test_one_file_is_known_by_its_folder_too(access: Access, tmp_path: Path):
    con, results = loaded(tmp_path, "canonical", "s3://shop/lake/orders/part-1.parquet", access)
    here, _ = loaded(tmp_path, "canonical", str(RAW))
    assert set(content(con)["orders"]) < set(content(here)["orders"])
    assert [r.table for r in results.values() if r.present] == ["orders"]


def test_a_database_of_a_connector_with_its_schema(
    storage: Storage, access: Access, tmp_path: Path
):
    file = tmp_path / "connector.duckdb"
    with duckdb.connect(str(file)) as con:
        for schema, order_id in (("old", 1), ("new", 2)):
            con.execute(f"CREATE SCHEMA {schema}")
            con.execute(
                f'CREATE TABLE {schema}."order" AS SELECT {order_id} AS id, '
                "TIMESTAMP '2026-01-05' AS created_at, 5.0 AS total_price"
            )
    storage.put("odd", "connector.duckdb", file.read_bytes())
    con, _ = loaded(tmp_path, "fivetran_shopify", "s3://odd/connector.duckdb#new", access)
    assert con.execute("SELECT order_id FROM raw.orders").fetchall() == [("2",)]


def test_any_name_is_copied_as_it_is(storage: Storage, access: Access, tmp_path: Path):
    names = ["sp ace+plus%20#q?.csv", "[x]*.csv", "ünïcode.csv", "a'b.csv", "deep/er/x.csv"]
    for name in names:
        storage.put("odd", f"names/{name}", name.encode())
    with copied(tmp_path, "shopify_csv", "s3://odd/names/", access) as local:
        found = {p.relative_to(local).as_posix(): p for p in Path(local).rglob("*") if p.is_file()}
        assert {name: path.read_text() for name, path in found.items()} == dict(
            zip(names, names, strict=True)
        )
        assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "copies").glob("*")} == {0o700}
    assert list((tmp_path / "copies").glob("*")) == []


def test_a_key_cannot_choose_where_it_is_written(storage: Storage, access: Access, tmp_path: Path):
    storage.put("odd", "evil/../../../../escaped.csv", ORDERS)
    message = refused(tmp_path, "shopify_csv", "s3://odd/evil/", access)
    assert "'evil/../../../../escaped.csv' cannot be the name of a file here" in message
    assert not list(tmp_path.rglob("escaped.csv"))


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("s3://nowhere/lake/", "there is no such bucket or file; check the spelling"),
        ("s3://shop/lake/order.csv", "s3://shop/lake/order.csv has nothing to load: expected CSV"),
        ("s3://empty/", "s3://empty/ has nothing to load: expected CSV or Parquet files, found 0"),
        ("s3://shop/lake/*.txt", "s3://shop/lake/*.txt has nothing to load"),
        ("s3://shop/lake/costs.csv", "s3://shop/lake/costs.csv has no orders (expected <table>"),
        ("s3://shop/lake/?s3_endpoint=evil.example", "nothing behind a question mark"),
        ("s3:///lake/", "expected s3://bucket/folder/"),
    ],
)
def test_what_is_not_there_is_told(access: Access, tmp_path: Path, location: str, said: str):
    message = refused(tmp_path, "canonical", location, access)
    assert said in message
    assert "\n" not in message


def test_who_may_not_read_is_told_what_to_check(access: Access, tmp_path: Path):
    stranger = replace(access.object_store, key_id="AKIAIOSFODNN7EXAMPLE", secret="gu/essed")
    message = refused(tmp_path, "canonical", "s3://shop/lake/", Access(stranger))
    assert message == (
        "s3://shop/lake/ cannot be copied: expected a file to read, but access was denied; check "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for temporary credentials, "
        "AWS_SESSION_TOKEN, and that they may list and read the bucket"
    )
    assert "gu/essed" not in repr(Access(stranger))


def store_at(web: WebServer, **more: str) -> Access:
    return Access(ObjectStore("key", "secret", endpoint=web.address, **more))


def test_credentials_are_sent_when_there_are_some(web: WebServer, tmp_path: Path):
    web.files["/shop/orders.csv"] = ORDERS
    loaded(tmp_path, "canonical", "s3://shop/orders.csv", store_at(web, session_token="temporary"))
    assert web.asked
    assert all(headers["x-amz-security-token"] == "temporary" for _, headers in web.asked)
    assert all("Credential=key/" in headers["authorization"] for _, headers in web.asked)
    web.asked.clear()
    anybody = Access(ObjectStore(endpoint=web.address))
    loaded(tmp_path, "canonical", "s3://shop/orders.csv", anybody)
    assert web.asked
    assert not any("authorization" in headers for _, headers in web.asked)


def test_an_object_that_is_cut_off_or_too_large(web: WebServer, tmp_path: Path):
    web.files["/shop/orders.csv"] = ORDERS * 1000
    web.cut_off.add("/shop/orders.csv")
    message = refused(tmp_path, "canonical", "s3://shop/orders.csv", store_at(web))
    assert "the transfer was cut off; load again" in message
    web.sizes["/shop/orders.csv"] = 5 * 1024**3
    message = refused(tmp_path, "canonical", "s3://shop/orders.csv", store_at(web))
    assert "has 5,368,709,120 bytes and at most" in message
    assert "as a folder of Parquet files" in message


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "ftp://127.0.0.1"])
def test_an_endpoint_is_an_address(tmp_path: Path, endpoint: str):
    message = refused(
        tmp_path, "canonical", "s3://shop/orders.csv", Access(ObjectStore(endpoint=endpoint))
    )
    assert "AWS_ENDPOINT_URL is no address" in message


def test_a_store_that_does_not_answer(tmp_path: Path):
    nobody = Access(ObjectStore(endpoint="http://127.0.0.1:1"))
    message = refused(tmp_path, "canonical", "s3://shop/orders.csv", nobody)
    assert "the store cannot be reached; check AWS_ENDPOINT_URL" in message


def test_a_file_of_a_web_server(web: WebServer, tmp_path: Path):
    web.redirects["/latest/orders.csv"] = "/2026/orders.csv"
    web.files["/2026/orders.csv"] = ORDERS
    said: list[str] = []
    url = f"{web.address}/latest/orders.csv?signature=geheim"
    con, results = loaded(tmp_path, "canonical", url, log=said.append)
    assert con.execute("SELECT order_id, total_amount FROM raw.orders ORDER BY 1").fetchall() == [
        ("1", 10),
        ("2", 11.5),
    ]
    assert results["orders"].files == ("orders.csv",)
    assert web.asked[0][0] == "/latest/orders.csv?signature=geheim"
    assert said == [f"copied 1 file of {len(ORDERS)} bytes from {web.address}/latest/orders.csv"]


def test_of_a_folder_of_a_web_server_the_names_of_the_tables_are_asked_for(
    web: WebServer, tmp_path: Path
):
    web.files["/shop/orders.csv"] = ORDERS
    web.files["/shop/costs.csv.gz"] = gzip.compress(b"sku,unit_cost\nA,1.5\n")
    _, results = loaded(tmp_path, "canonical", f"{web.address}/shop/?token=geheim")
    assert {r.table: r.files for r in results.values() if r.present} == {
        "orders": ("orders.csv",),
        "costs": ("costs.csv.gz",),
    }
    assert {path.rpartition("?")[2] for path, _ in web.asked} == {"token=geheim"}


def test_of_a_folder_of_a_web_server_the_tables_of_a_connector_are_asked_for(
    web: WebServer, tmp_path: Path
):
    file = tmp_path / "order.parquet"
    duckdb.sql(
        "SELECT 1 AS id, TIMESTAMP '2026-01-05' AS created_at, 5.0 AS total_price"
    ).write_parquet(str(file))
    web.files["/shop/order.parquet"] = file.read_bytes()
    web.files["/shop/costs.csv"] = b"sku,unit_cost\nA,1.5\n"
    _, results = loaded(tmp_path, "fivetran_shopify", f"{web.address}/shop/")
    assert {"orders", "costs"} <= {r.table for r in results.values() if r.present}


@pytest.mark.parametrize(
    ("source_format", "path", "said"),
    [
        ("shopify_csv", "shop/", "shopify_csv knows files by their content; name the file"),
        ("canonical", "shop/", "expected orders.csv, orders.csv.gz, orders.parquet, …, found none"),
        ("canonical", "shop/orders.csv?token=geheim", "orders.csv has nothing to load: expected"),
        ("canonical", "export?format=csv", "has no name that says what it is"),
        ("canonical", "403/orders.csv?token=geheim", "the server answered 403 (Forbidden); check"),
        ("canonical", "..%2F..%2Forders.csv", "cannot be the name of a file here"),
        ("canonical", "elsewhere/orders.csv", "http://192.0.2.1/orders.csv is not safe to read"),
        ("woocommerce", "found/orders.csv", "expected a DuckDB file"),
    ],
)
def test_what_a_web_server_does_not_give_is_told(
    web: WebServer, tmp_path: Path, source_format: str, path: str, said: str
):
    web.answers["/403/orders.csv"] = 403
    web.files["/found/orders.csv"] = ORDERS
    web.redirects["/elsewhere/orders.csv"] = "http://192.0.2.1/orders.csv"
    message = refused(tmp_path, source_format, f"{web.address}/{path}")
    assert said in message
    assert "geheim" not in message
    assert str(tmp_path) not in message


def test_a_table_that_may_not_be_read_is_not_a_missing_table(web: WebServer, tmp_path: Path):
    web.files["/shop/orders.csv"] = ORDERS
    web.answers["/shop/checkouts.csv"] = 403
    message = refused(tmp_path, "canonical", f"{web.address}/shop/")
    assert (
        "shop/checkouts.csv cannot be copied: expected a file, but the server answered" in message
    )


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://192.0.2.1/orders.csv", "http://192.0.2.1/orders.csv is not safe to read"),
        ("https://ann:geheim@host.example/orders.csv", "a user or password in front of the host"),
        ("ftp://host.example/orders.csv", "SEGMENTS_SOURCE begins with ftp://: expected a folder"),
        ("http://127.0.0.1:1/orders.csv", "expected a file, but Connection refused; load again"),
        ("https://[geheim/orders.csv", "SEGMENTS_SOURCE is no readable address"),
    ],
)
def test_an_address_nobody_should_read_from(tmp_path: Path, location: str, said: str):
    message = refused(tmp_path, "canonical", location)
    assert said in message
    assert "geheim" not in message


def test_a_transfer_that_is_cut_off_is_tried_again_and_then_refused(web: WebServer, tmp_path: Path):
    web.files["/orders.csv"] = ORDERS
    web.fails_first["/orders.csv"] = 2
    _, results = loaded(tmp_path, "canonical", f"{web.address}/orders.csv")
    assert results["orders"].rows == 2
    web.cut_off.add("/orders.csv")
    web.asked.clear()
    message = refused(tmp_path, "canonical", f"{web.address}/orders.csv?token=geheim")
    assert message == (
        f"{web.address}/orders.csv cannot be copied: expected a file, but the transfer was cut "
        "off; load again later"
    )
    assert len(web.asked) == 3


def test_over_https_the_certificate_is_checked(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    web.files["/shop/orders.csv"] = ORDERS
    certificate = web.encrypt(tmp_path)
    url, access = f"{web.address}/shop/orders.csv", store_at(web)
    message = refused(tmp_path, "canonical", url)
    assert "the certificate of the server is not trusted" in message
    message = refused(tmp_path, "canonical", "s3://shop/orders.csv", access)
    assert "the store's certificate is not trusted; set AWS_CA_BUNDLE" in message
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusting = store_at(web, ca_file=str(certificate))
    for location in (url, "s3://shop/orders.csv"):
        _, results = loaded(tmp_path, "canonical", location, trusting)
        assert results["orders"].rows == 2


def settings(home: Path, storage: Storage, source: str) -> Settings:
    return Settings(
        SEGMENTS_HOME=home,
        SEGMENTS_SOURCE=source,
        AWS_ACCESS_KEY_ID=storage.store.key_id,
        AWS_SECRET_ACCESS_KEY=storage.store.secret,
        AWS_REGION="us-east-1",
        AWS_ENDPOINT_URL=storage.address,
    )


def test_the_asset_loads_from_there_and_yesterdays_tables_stay_when_it_cannot(
    storage: Storage, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    secret = str(storage.store.secret)
    key = dg.AssetKey(["raw", "orders"])

    def materialized(source: str) -> dg.ExecuteInProcessResult:
        mine = settings(tmp_path, storage, source)
        assert secret not in repr(mine)
        return dg.materialize(build_load_assets(mine), selection=[key], raise_on_error=False)

    assert materialized("s3://shop/lake/").success
    assert not materialized("s3://nowhere/lake/").success
    assert list((tmp_path / "tmp").glob("*")) == []
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as con:
        [(rows,)] = con.execute("SELECT count(*) FROM raw.orders").fetchall()
    assert rows > 1000
    said = "".join(capfd.readouterr())
    assert "bytes from s3://shop/lake/" in said
    assert "there is no such bucket or file" in said
    assert secret not in said


def test_a_refused_table_names_the_place_and_leaves_no_copy(web: WebServer, tmp_path: Path):
    web.files["/orders.csv"] = ORDERS.replace(b"2026-01-05", b"soon")
    with pytest.raises(LoadError, match="1 of 2 rows were rejected"):
        loaded(tmp_path, "canonical", f"{web.address}/orders.csv")
    assert list((tmp_path / "copies").glob("*")) == []


_HOLDS = """
import sys, time
from pathlib import Path
from tests.support.remote import copied
with copied(Path(sys.argv[1]), "canonical", sys.argv[2]) as local:
    print(Path(local).read_text(), flush=True)
    time.sleep(600)
"""


def test_the_copy_of_a_killed_run_goes_with_the_next_and_that_of_a_living_one_stays(
    web: WebServer, tmp_path: Path
):
    web.files["/orders.csv"] = ORDERS
    url = f"{web.address}/orders.csv"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(tmp_path), url], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == ORDERS.splitlines(keepends=True)[0]
        loaded(tmp_path, "canonical", url)
        assert len(list((tmp_path / "copies").glob("*"))) == 1
        os.kill(process.pid, signal.SIGKILL)
    loaded(tmp_path, "canonical", url)
    assert list((tmp_path / "copies").glob("*")) == []


def test_what_is_here_is_read_where_it_is(tmp_path: Path):
    with copied(tmp_path, "canonical", str(RAW)) as local:
        assert local == str(RAW)
    assert not (tmp_path / "copies").exists()


@pytest.fixture
def without_packages(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that has all installed packages but DuckDB's extensions."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(duckdb.__file__).parents[1].iterdir():
        if not entry.name.startswith("duckdb_extension"):
            (packages / entry.name).symlink_to(entry)
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "PYTHONPATH": f"{packages}:{ROOT}", "PATH": os.environ["PATH"]}


_CONNECTS = """
from dagster_project.sources.extensions import connect_with
with connect_with("httpfs", "SEGMENTS_SOURCE=s3://…") as con:
    print(con.execute("SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'httpfs'")
          .fetchall())
"""


def run_without(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-c", _CONNECTS],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_an_extension_that_is_not_installed_is_named(without_packages: dict[str, str]):
    result = run_without(without_packages)
    assert result.returncode != 0
    version = duckdb.__version__
    assert result.stderr.splitlines()[-1] == (
        "dagster_project.sources.errors.SourceError: SEGMENTS_SOURCE=s3://… needs DuckDB's "
        f"extension httpfs for DuckDB {version}, which is not installed: run `python -m pip "
        f"install duckdb-extension-httpfs=={version}` in this environment"
    )
    assert list(Path(without_packages["HOME"]).rglob("*")) == []


def test_an_extension_somebody_installed_into_duckdb_is_used(without_packages: dict[str, str]):
    version = f"v{duckdb.__version__}"
    [platform] = duckdb.execute("PRAGMA platform").fetchone() or [""]
    installed = Path(without_packages["HOME"]) / ".duckdb" / "extensions" / version / platform
    installed.mkdir(parents=True)
    package = find_spec("duckdb_extension_httpfs")
    assert package is not None
    [folder] = package.submodule_search_locations or []
    packaged = Path(folder) / "extensions" / version / "httpfs.duckdb_extension"
    (installed / packaged.name).write_bytes(packaged.read_bytes())
    result = run_without(without_packages)
    assert result.stdout == "[(True,)]\n", result.stderr
