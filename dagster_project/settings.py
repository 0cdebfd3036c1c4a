"""Every environment variable and every path of this deployment.

Nothing else reads the environment, except the secret resolver of the syncs. A relative path is
relative to the folder the process was started in. A variable set to nothing counts as not set.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import pycountry
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Clock = Callable[[], datetime]
"""Tells the current time; what it returns has a time zone."""


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


class SettingsError(ValueError):
    """An environment variable has a value this project does not understand."""


def _environment(value: object) -> object:
    if value not in {"demo", "production"}:
        message = "allowed are demo and production"
        raise ValueError(message)
    return value


def _day(value: object) -> object:
    if value is None or isinstance(value, date):
        return value
    message = "allowed is a calendar day as YYYY-MM-DD, such as 2026-11-21"
    # The standard library also reads 20261121 and week dates, which nobody would type on purpose.
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value)):
        raise ValueError(message)
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(message) from None


def _absolute(value: Path) -> Path:
    return value.expanduser().absolute()


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        message = "allowed is an IANA time zone, such as America/New_York or Europe/London"
        raise ValueError(message) from None
    return value


def _currency(value: str) -> str:
    if pycountry.currencies.get(alpha_3=value.upper()) is None:
        message = "allowed is a currency of ISO 4217, three letters, such as USD"
        raise ValueError(message)
    return value.upper()


def _country(value: str) -> str:
    if pycountry.countries.get(alpha_2=value.upper()) is None:
        message = "allowed is a country of ISO 3166-1, two letters, such as US or GB"
        raise ValueError(message)
    return value.upper()


def _fraction(value: object) -> object:
    try:
        if 0 <= float(str(value)) <= 1:
            return value
    except ValueError:
        pass
    message = "allowed is a number from 0 to 1, such as 0.01 for one row in a hundred"
    raise ValueError(message)


_ZoneName = Annotated[str, AfterValidator(_timezone)]
_CurrencyCode = Annotated[str, AfterValidator(_currency)]
_CountryCode = Annotated[str, AfterValidator(_country)]
_AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


class Settings(BaseSettings):
    """The settings of one deployment, read from the environment when it is made.

    Arguments, named like the variables, win over the environment. Use `load_settings` for readable
    errors.
    """

    # Without populate_by_name: it would also read HOME, ENV and SOURCE.
    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, case_sensitive=True, extra="forbid"
    )

    env: Annotated[Literal["demo", "production"], BeforeValidator(_environment)] = Field(
        "demo", validation_alias="SEGMENTS_ENV"
    )
    """`demo` talks to a sandbox of its own, `production` to the real vendors."""

    home: _AbsolutePath = Field(
        Path(".data"), validation_alias="SEGMENTS_HOME", validate_default=True
    )
    """Folder of everything that is written, absolute."""

    source_format: str = Field("canonical", validation_alias="SEGMENTS_SOURCE_FORMAT")
    """The source adapter."""

    source: str = Field("seeds/raw", validation_alias="SEGMENTS_SOURCE", repr=False)
    """Where the source is: a folder, a file, a glob or a URL, which may hold a password.

    `source_location` is the same, absolute.
    """

    aws_access_key_id: str | None = Field(None, validation_alias="AWS_ACCESS_KEY_ID", repr=False)
    """Who reads an object store; nobody in particular without it."""

    aws_secret_access_key: str | None = Field(
        None, validation_alias="AWS_SECRET_ACCESS_KEY", repr=False
    )
    """The secret that belongs to the key id."""

    aws_session_token: str | None = Field(None, validation_alias="AWS_SESSION_TOKEN", repr=False)
    """What temporary credentials have besides."""

    aws_region: str | None = Field(
        None, validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION")
    )
    """The region of the bucket."""

    aws_endpoint_url: str | None = Field(
        None,
        validation_alias=AliasChoices("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        repr=False,
    )
    """The address of an object store that is not Amazon's."""

    aws_ca_bundle: str | None = Field(None, validation_alias="AWS_CA_BUNDLE")
    """A file with the certificates an object store is trusted by; the system's without it."""

    database_password: str | None = Field(None, validation_alias="PGPASSWORD", repr=False)
    """The password of a source in PostgreSQL whose URL has none."""

    given_as_of: Annotated[date | None, BeforeValidator(_day)] = Field(
        None, validation_alias="SEGMENTS_AS_OF"
    )
    """The as-of date somebody asked for, shop-local; see `as_of`."""

    specs: _AbsolutePath = Field(
        Path("syncs/specs"), validation_alias="SEGMENTS_SPECS", validate_default=True
    )
    """Folder of sync specs, absolute."""

    shop_timezone: _ZoneName = Field("America/New_York", validation_alias="SHOP_TIMEZONE")
    """IANA zone that cuts the shop's days."""

    shop_currency: _CurrencyCode = Field("USD", validation_alias="SHOP_CURRENCY")
    """ISO 4217 code of all amounts."""

    shop_country: _CountryCode = Field("US", validation_alias="SHOP_COUNTRY")
    """ISO 3166-1 alpha-2 code; phone numbers without a country code belong to it."""

    max_rejected_fraction: Annotated[float, BeforeValidator(_fraction)] = Field(
        0.01, validation_alias="SEGMENTS_MAX_REJECTED_FRACTION"
    )
    """A source table with a greater share of rejected rows is refused, 0 to 1."""

    min_kept_fraction: Annotated[float, BeforeValidator(_fraction)] = Field(
        0.5, validation_alias="SEGMENTS_MIN_KEPT_FRACTION"
    )
    """An order table smaller than this share of its last load is refused, 0 to 1."""

    shopify_access_token: str | None = Field(
        None, validation_alias="SHOPIFY_ACCESS_TOKEN", repr=False
    )
    """Reads orders and customers of the shop that `shopify://…` names."""

    shopify_base_url: str | None = Field(None, validation_alias="SHOPIFY_BASE_URL")
    """Where to ask instead of the shop's own host."""

    shopify_list_every_days: Annotated[int, Field(ge=0)] = Field(
        1, validation_alias="SHOPIFY_LIST_EVERY_DAYS"
    )
    """How often all orders are listed, to find the deleted ones; 0 never."""

    alert_webhook: str | None = Field(None, validation_alias="SEGMENTS_ALERT_WEBHOOK", repr=False)
    """Where a failed production run is reported; whoever knows the address can post there."""

    def as_of(self, clock: Clock = now) -> date:
        """The as-of date: the given one, else today on the shop's calendar."""
        if self.given_as_of is not None:
            return self.given_as_of
        return clock().astimezone(ZoneInfo(self.shop_timezone)).date()

    def dbt_vars(self, clock: Clock = now) -> dict[str, str]:
        """What the models have to know about the shop and the day."""
        return {
            "as_of": self.as_of(clock).isoformat(),
            "shop_timezone": self.shop_timezone,
            "shop_country": self.shop_country,
            "shop_currency": self.shop_currency,
        }

    @property
    def is_production(self) -> bool:
        """Whether real vendors are meant."""
        return self.env == "production"

    @property
    def source_location(self) -> str:
        """The source as an absolute path or glob; a URL stays as it is."""
        return self.source if "://" in self.source else str(_absolute(Path(self.source)))

    @property
    def copies_path(self) -> Path:
        """Folder of what is copied from elsewhere while it is loaded."""
        return self.home / "tmp"

    @property
    def warehouse_path(self) -> Path:
        """The database dbt works in; its stem is the dbt database name and never changes."""
        return self.home / "warehouse.duckdb"

    @property
    def published_path(self) -> Path:
        """The read-only database for analysts and syncs."""
        return self.home / "published" / "segments.duckdb"

    @property
    def published_syncs_path(self) -> Path:
        """The read-only database of sync results."""
        return self.home / "published" / "syncs.duckdb"

    @property
    def ledger_path(self) -> Path:
        """Folder of the ledgers, one per destination account."""
        return self.home / "ledger"

    @property
    def sandbox_path(self) -> Path:
        """Folder of the sandbox's state."""
        return self.home / "sandbox"


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        SettingsError: a variable is wrong; the message names it, its value and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in problem['loc'])} is {problem['input']!r}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None


def export_for_dbt(settings: Settings) -> None:
    """Tell dbt, which runs in a process of its own, where the warehouse is.

    dagster-dbt looks for the program on the PATH, where it is not unless somebody activated the
    environment that this interpreter belongs to.
    """
    os.environ["SEGMENTS_HOME"] = str(settings.home)
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", "").split(os.pathsep)
    if programs not in path:
        os.environ["PATH"] = os.pathsep.join([programs, *path])
