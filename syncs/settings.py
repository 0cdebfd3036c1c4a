"""The environment variables that the activation half reads, and the folders they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEMO: Final = "demo"


class SyncSettings(BaseSettings):
    """Where the syncs find their input, keep their state and reach the vendors.

    Raises:
        pydantic.ValidationError: a variable holds a value that is not allowed.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    env: Literal["demo", "production"] = Field(default="demo", validation_alias="SEGMENTS_ENV")
    home: Path = Field(default=Path(".data"), validation_alias="SEGMENTS_HOME")
    specs: Path = Field(default=Path("syncs/specs"), validation_alias="SEGMENTS_SPECS")
    shop_country: str = Field(default="US", validation_alias="SHOP_COUNTRY")
    klaviyo_base_url: str | None = Field(default=None, validation_alias="KLAVIYO_BASE_URL")
    attentive_base_url: str | None = Field(default=None, validation_alias="ATTENTIVE_BASE_URL")
    facebook_base_url: str | None = Field(default=None, validation_alias="FACEBOOK_BASE_URL")

    @field_validator("home", "specs")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def published(self) -> Path:
        """The file analysts and syncs read; replaced as a whole, never written in place."""
        return self.home / "published" / "segments.duckdb"

    @property
    def erasures(self) -> Path:
        """Whom the shop has to forget: for the syncs alone, gone when everybody confirmed."""
        return self.home / "published" / "erasures.duckdb"

    @property
    def results(self) -> Path:
        """What the syncs did, published beside the segments."""
        return self.home / "published" / "syncs.duckdb"

    @property
    def ledgers(self) -> Path:
        """One ledger file per destination account."""
        return self.home / "ledger"

    @property
    def scratch(self) -> Path:
        """Spill space of running plans; private, emptied by its user."""
        return self.home / "tmp"

    def base_url(self, account: str) -> str | None:
        """The vendor host set by the environment, or None when nobody set one."""
        value: str | None = getattr(self, f"{account}_base_url")
        return value.rstrip("/") if value else None
