from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import AliasChoices, ValidationError

from dagster_project.settings import Settings, SettingsError, export_for_dbt, load_settings


def names(alias: object) -> tuple[object, ...]:
    return tuple(alias.choices) if isinstance(alias, AliasChoices) else (alias,)


OURS = [
    str(name) for field in Settings.model_fields.values() for name in names(field.validation_alias)
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert "SEGMENTS_HOME" in OURS
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def midnight_in_new_york() -> datetime:
    return datetime(2026, 11, 22, 4, 30, tzinfo=UTC)


def test_defaults_are_those_of_the_sample_shop(tmp_path: Path):
    settings = load_settings()
    assert settings.env == "demo"
    assert not settings.is_production
    assert settings.home == tmp_path / ".data"
    assert settings.warehouse_path == tmp_path / ".data/warehouse.duckdb"
    assert settings.published_path == tmp_path / ".data/published/segments.duckdb"
    assert settings.published_syncs_path == tmp_path / ".data/published/syncs.duckdb"
    assert settings.ledger_path == tmp_path / ".data/ledger"
    assert settings.specs == tmp_path / "syncs/specs"
    assert settings.source_format == "canonical"
    assert settings.source_location == str(tmp_path / "seeds/raw")
    assert settings.max_rejected_fraction == 0.01
    assert settings.dbt_vars(midnight_in_new_york) == {
        "as_of": "2026-11-21",
        "shop_timezone": "America/New_York",
        "shop_country": "US",
        "shop_currency": "USD",
    }


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch):
    values = {
        "SEGMENTS_ENV": "production",
        "SEGMENTS_HOME": "/srv/segments",
        "SEGMENTS_SOURCE": "https://example.com/orders.csv",
        "SEGMENTS_SOURCE_FORMAT": "shopify_csv",
        "SEGMENTS_AS_OF": "2026-02-28",
        "SEGMENTS_SPECS": "/etc/specs",
        "SEGMENTS_MAX_REJECTED_FRACTION": "0.5",
        "SHOP_TIMEZONE": "Europe/Berlin",
        "SHOP_CURRENCY": "eur",
        "SHOP_COUNTRY": "de",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.is_production
    assert settings.warehouse_path == Path("/srv/segments/warehouse.duckdb")
    assert settings.source_location == "https://example.com/orders.csv"
    assert settings.source_format == "shopify_csv"
    assert settings.specs == Path("/etc/specs")
    assert settings.max_rejected_fraction == 0.5
    assert settings.as_of(midnight_in_new_york) == date(2026, 2, 28)
    assert (settings.shop_timezone, settings.shop_currency, settings.shop_country) == (
        "Europe/Berlin",
        "EUR",
        "DE",
    )


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/New_York", date(2026, 11, 21)),
        ("UTC", date(2026, 11, 22)),
        ("Asia/Tokyo", date(2026, 11, 22)),
        ("Pacific/Honolulu", date(2026, 11, 21)),
    ],
)
def test_today_is_the_shops_today(zone: str, day: date):
    assert Settings(SHOP_TIMEZONE=zone).as_of(midnight_in_new_york) == day


def test_a_variable_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in OURS:
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert (settings.env, settings.given_as_of, settings.home) == ("demo", None, tmp_path / ".data")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("SEGMENTS_ENV", "prod", "demo and production"),
        ("SEGMENTS_ENV", "Demo", "demo and production"),
        ("SEGMENTS_AS_OF", "2026-02-30", "YYYY-MM-DD"),
        ("SEGMENTS_AS_OF", "20260228", "YYYY-MM-DD"),
        ("SEGMENTS_AS_OF", "yesterday", "YYYY-MM-DD"),
        ("SEGMENTS_AS_OF", "1767607200", "YYYY-MM-DD"),
        ("SHOP_TIMEZONE", "New York", "IANA"),
        ("SHOP_TIMEZONE", "../../etc/passwd", "IANA"),
        ("SHOP_TIMEZONE", "/etc/localtime", "IANA"),
        ("SHOP_CURRENCY", "DOLLAR", "ISO 4217"),
        ("SHOP_COUNTRY", "UK", "ISO 3166-1"),
        ("SHOP_COUNTRY", "USA", "ISO 3166-1"),
        ("SEGMENTS_MAX_REJECTED_FRACTION", "1.01", "from 0 to 1"),
        ("SEGMENTS_MAX_REJECTED_FRACTION", "-1", "from 0 to 1"),
        ("SEGMENTS_MAX_REJECTED_FRACTION", "nan", "from 0 to 1"),
        ("SEGMENTS_MAX_REJECTED_FRACTION", "1%", "from 0 to 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r}: allowed ")
    assert allowed in message
    assert "\n" not in message


def test_variables_of_other_programs_are_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in {*Settings.model_fields, *map(str.upper, Settings.model_fields)} - set(OURS):
        monkeypatch.setenv(name, "something else")
    assert load_settings().home == tmp_path / ".data"


def test_two_wrong_values_are_both_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHOP_COUNTRY", "XX")
    monkeypatch.setenv("SHOP_CURRENCY", "XXXX")
    with pytest.raises(SettingsError, match=r"(?s)SHOP_CURRENCY.*SHOP_COUNTRY"):
        load_settings()


def test_settings_do_not_change():
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, "env", "production")  # noqa: B010 - the type checker knows already


def test_the_alert_address_is_not_shown():
    settings = Settings(SEGMENTS_ALERT_WEBHOOK="https://hooks.example.com/secret")
    assert "secret" not in repr(settings)


def test_the_variables_of_an_object_store_and_a_database_are_the_usual_ones(
    monkeypatch: pytest.MonkeyPatch,
):
    values = {
        "SEGMENTS_SOURCE": "postgresql://shop:secret-1@host.example/shop",
        "AWS_ACCESS_KEY_ID": "secret-2",
        "AWS_SECRET_ACCESS_KEY": "secret-3",
        "AWS_SESSION_TOKEN": "secret-4",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "https://storage.example.com",
        "AWS_CA_BUNDLE": "/etc/ssl/own.pem",
        "PGPASSWORD": "secret-5",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (
        settings.source_location,
        settings.aws_access_key_id,
        settings.aws_secret_access_key,
        settings.aws_session_token,
        settings.aws_region,
        settings.aws_endpoint_url,
        settings.aws_ca_bundle,
        settings.database_password,
    ) == tuple(values.values())
    assert "secret" not in repr(settings)
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.com")
    settings = load_settings()
    assert (settings.aws_region, settings.aws_endpoint_url) == (
        "us-west-2",
        "https://s3.example.com",
    )
    monkeypatch.setenv("AWS_REGION", "")
    assert load_settings().aws_region == "eu-central-1"


def test_dbt_finds_the_same_warehouse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("SEGMENTS_HOME", "elsewhere")
    monkeypatch.setenv("PATH", "/bin")
    export_for_dbt(load_settings())
    assert os.environ["SEGMENTS_HOME"] == str(tmp_path / "elsewhere")
    assert os.environ["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/bin"]
