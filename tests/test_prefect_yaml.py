"""prefect.yaml: every deployment can be loaded, and says what it should."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from learning.catalog import known_models
from monitoring.alarms import BROKE, DRIFTED

PROJECT = Path(__file__).parent.parent
ALL = {d["name"]: d for d in yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]}
DEPLOYMENTS = {name: d for name, d in ALL.items() if name not in {"tidy", "approve"}}  # those of a model


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_entrypoint_is_a_flow_that_takes_the_parameters(name: str) -> None:
    """A broken import or a misspelled parameter would otherwise show on the worker only."""
    from prefect.flows import load_flow_from_entrypoint

    deployment = DEPLOYMENTS[name]
    flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    flow.validate_parameters(deployment["parameters"])
    assert deployment["parameters"]["model"] in known_models([PROJECT / "models"])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_deployment_is_found_by_its_model_in_the_ui(name: str) -> None:
    """Every deployment is named and tagged after what it does and for which model, and describes itself."""
    deployment = DEPLOYMENTS[name]
    model = deployment["parameters"]["model"]
    assert name.endswith(f"-{model}")
    assert model in deployment["tags"]
    assert deployment["description"]
    assert deployment["work_pool"]["name"] == "local"


def test_retraining_is_scheduled_with_a_time_zone_away_from_clock_changes() -> None:
    """A cron without a zone runs in UTC; clocks leave out an hour after two in March, and repeat the one before."""
    (schedule,) = DEPLOYMENTS["retrain-flights"]["schedules"]
    assert ZoneInfo(schedule["timezone"])
    assert schedule["cron"].split()[1] not in {"1", "2", "3"}


def test_an_alarm_starts_the_same_deployment_as_the_schedule() -> None:
    """So that one limit counts both. What a retrain found starts no other one, and broken data a person has to mend."""
    from prefect.events import DeploymentEventTrigger

    (trigger,) = DEPLOYMENTS["retrain-flights"]["triggers"]
    assert trigger["expect"] == [BROKE, DRIFTED]
    assert trigger["match"] == {"prefect.resource.id": "evergreen.model.flights", "evergreen.flow": "watch"}
    assert set(trigger) <= set(DeploymentEventTrigger.model_fields)  # Prefect passes over what it does not know


def test_watching_is_faster_than_retraining_and_never_doubled() -> None:
    """Every hour, in a zone whose clocks never change; one that comes while another is at it is left out."""
    watch = DEPLOYMENTS["watch-flights"]
    (schedule,) = watch["schedules"]
    assert schedule["cron"].split()[1:] == ["*"] * 4
    assert schedule["timezone"] == "UTC"
    assert watch["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_bootstrapping_is_not_scheduled() -> None:
    """Version 1 is made once, by hand."""
    assert "schedules" not in DEPLOYMENTS["bootstrap-flights"]


def test_no_two_retrains_of_a_model_run_at_once() -> None:
    """Scheduled and manual runs share one deployment, whose limit queues the second."""
    limit: dict[str, Any] = DEPLOYMENTS["retrain-flights"]["concurrency_limit"]
    assert limit == {"limit": 1, "collision_strategy": "ENQUEUE"}
