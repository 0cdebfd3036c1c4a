"""The numbers of the stand-ins that a test or a demonstration may change while they run."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt


class Config(BaseModel):
    """How the three stand-ins behave; every default is the vendor's documented behaviour.

    Attributes:
        limits: Whether rate limits are enforced.
        latency_seconds: Added to every vendor call.
        klaviyo_job_seconds: Time from accepting a bulk import to its completion.
        klaviyo_job_seconds_per_row: Further time for each of its profiles.
        klaviyo_delete_seconds: Time from accepting a deletion to the profile's disappearance.
        klaviyo_limits: Own (per second, per minute) limits by operation.
        klaviyo_drop_test_domains: Whether events for example.com and test.com vanish, as they do
            at Klaviyo. A shop made of sample people needs this off to see its own events.
        attentive_limits: Own per-second limits by operation.
        attentive_max_attributes: Custom attributes an account can have.
        attentive_delete_seconds: Time from accepting a deletion request to its completion.
        facebook_access_tier: What the usage headers report; it also sets the score ceiling.
        facebook_score_ceiling: Own ceiling of points in 300 s (a read is 1, a write is 3).
        facebook_block_seconds: Own length of the block that follows.
        facebook_app_secret: When set, every call must carry a matching `appsecret_proof`.
        facebook_terms_accepted: Whether somebody accepted the custom audience terms.
        facebook_minimum_members: A removal that would leave fewer is refused; 0 is no floor.
        facebook_replace_seconds: Time a replacement stays in progress after its last batch.
        facebook_most_removed_rows: A removal of more rows is answered with a web page, as
            large ones are reported to be; None is no such limit.
        facebook_operation_status: Forced `operation_status` code by audience id; 414 and 471
            also block every change, as they do at Facebook.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    limits: bool = True
    latency_seconds: NonNegativeFloat = 0.0
    klaviyo_job_seconds: NonNegativeFloat = 0.2
    klaviyo_job_seconds_per_row: NonNegativeFloat = 0.00001
    klaviyo_delete_seconds: NonNegativeFloat = 0.2
    klaviyo_limits: dict[str, tuple[PositiveInt, PositiveInt]] = Field(default_factory=dict)
    klaviyo_drop_test_domains: bool = True
    attentive_limits: dict[str, PositiveInt] = Field(default_factory=dict)
    attentive_max_attributes: PositiveInt = 100
    attentive_delete_seconds: NonNegativeFloat = 0.2
    facebook_access_tier: Literal["standard_access", "development_access"] = "standard_access"
    facebook_score_ceiling: PositiveInt | None = None
    facebook_block_seconds: PositiveInt | None = None
    facebook_app_secret: str | None = None
    facebook_terms_accepted: bool = True
    facebook_minimum_members: NonNegativeInt = 0
    facebook_replace_seconds: NonNegativeFloat = 0.2
    facebook_most_removed_rows: PositiveInt | None = None
    facebook_operation_status: dict[str, int] = Field(default_factory=dict)


class Settings:
    """Holds the configuration in force; the vendors read it at each call."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def change(self, values: dict[str, object]) -> Config:
        """Replaces the given numbers and keeps the others.

        Raises:
            pydantic.ValidationError: An unknown name or an impossible value; nothing changes.
        """
        self.config = Config.model_validate({**self.config.model_dump(), **values})
        return self.config
