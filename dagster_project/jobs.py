"""The daily job, its schedule in the shop's zone, and the alert when a run fails."""

import json
import urllib.request

import dagster as dg

from dagster_project.settings import Settings

DAILY = "daily_segments"
# After midnight everywhere in the shop's country and after the nightly exports of the platforms.
_CRON = "0 6 * * *"

daily_segments = dg.define_asset_job(
    DAILY,
    selection=dg.AssetSelection.all(),
    description="Load, derive, publish, sync: everything, once a day.",
    tags={"segments/job": "daily"},
)

reload_history = dg.define_asset_job(
    "reload_history",
    selection=dg.AssetSelection.key_prefixes("raw"),
    description="Load the source again without publishing or sending anything.",
)


def daily_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """The daily schedule: visible everywhere, running by itself only in production."""
    running = settings.env == "production"
    return dg.ScheduleDefinition(
        name="daily_segments_schedule",
        job=daily_segments,
        cron_schedule=_CRON,
        execution_timezone=settings.shop_timezone,
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
        ),
        description="Every day at six in the shop's time zone.",
    )


def failure_sensor(settings: Settings) -> dg.SensorDefinition:
    """Tells somebody when a run failed: the log always, a webhook when one is set."""

    @dg.run_failure_sensor(
        name="tell_somebody",
        description="Posts the failed steps of a run to SEGMENTS_ALERT_WEBHOOK, if it is set.",
        default_status=(
            dg.DefaultSensorStatus.RUNNING
            if settings.env == "production"
            else dg.DefaultSensorStatus.STOPPED
        ),
    )
    def tell_somebody(context: dg.RunFailureSensorContext) -> None:
        steps = [event.step_key for event in context.get_step_failure_events()]
        text = (
            f"{context.dagster_run.job_name} failed in {', '.join(map(str, steps)) or 'start-up'}"
        )
        context.log.error("%s; run %s", text, context.dagster_run.run_id)
        if settings.alert_webhook:
            alert(settings.alert_webhook, f"{text} (run {context.dagster_run.run_id})")

    return tell_somebody


def alert(url: str, text: str) -> None:
    """Post ``{"text": …}`` to a chat webhook.

    Raises:
        OSError: it cannot be reached; the sensor's tick fails visibly.
    """
    request = urllib.request.Request(  # noqa: S310 set by the operator
        url, data=json.dumps({"text": text}).encode(), headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass
