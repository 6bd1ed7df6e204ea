"""The schedules of prefect.yaml on the two days when New York's clocks change: each run comes once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.server.schemas.schedules import CronSchedule

PROJECT = Path(__file__).parent.parent
NEW_YORK = "America/New_York"
SKIPPED, REPEATED = datetime(2027, 3, 14, tzinfo=ZoneInfo(NEW_YORK)), datetime(2026, 11, 1, tzinfo=ZoneInfo(NEW_YORK))


def runs(cron: str, midnight: datetime, zone: str = NEW_YORK, days: int = 1) -> list[str]:
    """When Prefect starts a cron's runs on a day, as the clocks there show it, and in UTC."""
    dates = CronSchedule(cron=cron, timezone=zone).get_dates(
        n=100, start=midnight, end=midnight + timedelta(days=days) - timedelta(minutes=1)
    )
    found = asyncio.run(dates)
    return [f"{date.astimezone(ZoneInfo(NEW_YORK)):%H:%M}, {date.astimezone(UTC):%H:%M} UTC" for date in found]


@pytest.mark.parametrize(
    ("cron", "midnight", "expected"),
    [
        ("30 1 * * *", REPEATED, ["01:30, 05:30 UTC"]),  # this hour comes twice
        ("30 2 * * *", REPEATED, ["02:30, 07:30 UTC"]),
        ("30 1 * * *", SKIPPED, ["01:30, 06:30 UTC"]),
        ("30 2 * * *", SKIPPED, ["01:30, 06:30 UTC"]),  # this hour is not there
        ("0 6 * * *", REPEATED, ["06:00, 11:00 UTC"]),
        ("0 6 * * *", SKIPPED, ["06:00, 10:00 UTC"]),
    ],
)
def test_a_daily_run_comes_once_on_the_days_when_clocks_change(
    cron: str, midnight: datetime, expected: list[str]
) -> None:
    """In the hour that comes twice too; for the one that is left out, an hour early."""
    assert runs(cron, midnight) == expected


def test_the_schedules_that_are_shipped_miss_and_double_nothing() -> None:
    """The weekly one once in the week of each change, those in UTC at the same distance all day long."""
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    shipped = {one["slug"]: one for d in deployments for one in d.get("schedules", ())}
    weekly, hourly = shipped["weekly"], shipped["hourly"]
    for midnight in (SKIPPED, REPEATED):
        monday = midnight - timedelta(days=midnight.weekday())
        assert len(runs(weekly["cron"], monday, weekly["timezone"], days=7)) == 1
        hours = (midnight + timedelta(days=1)).astimezone(UTC) - midnight.astimezone(UTC)
        assert len(runs(hourly["cron"], midnight, hourly["timezone"])) == hours / timedelta(hours=1)
