"""`evergreen up`: manual and scheduled runs complete on the worker, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Page
from filled import stored
from pages import approve, look_through, looking, retrain_by_force
from receiver import choices, is_refused, notify, receiving
from started_up import BIN, OFTEN, PROJECT, Up
from typer.testing import CliRunner
from waiting import let_one_wait

from cli.main import app
from cli.supervisor import held
from cli.up import MARK
from db.records import NewVersion
from db.registry import open_registry
from demo.demos import FLIGHTS
from errors import EvergreenError
from settings import Settings
from tasks.lease import process_of


@pytest.fixture
def up(home: Settings, tmp_path: Path) -> Iterator[Up]:
    """Start `evergreen up` on a free port, with everything of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | OFTEN | {"EVERGREEN_HOME": str(home.home)}
    environment.pop("PREFECT_HOME", None)
    with (tmp_path / "up.log").open("w+") as log:
        process = subprocess.Popen(
            [BIN / "evergreen", "up", "--port", str(port)],
            env=environment,
            cwd=PROJECT,
            stdout=log,
            stderr=log,
            text=True,
        )
        try:
            deadline = time.monotonic() + 400
            while "Ready." not in (tmp_path / "up.log").read_text():
                assert process.poll() is None, (tmp_path / "up.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.5)
            started = Up(process, port, environment)
            started.change("watch-flights", "pause_deployment", {})  # else it comes between, at some minutes
            yield started
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_manual_and_scheduled_runs_complete_and_killed_ones_end(up: Up, home: Settings) -> None:
    """Bootstrap by hand, kill a run and its worker, retrain on a schedule all the same, and stop with Ctrl-C.

    The run to be killed is started in a browser, which goes through the pages of the UI; meanwhile a backup is made,
    and another model's version approved.
    """
    FLIGHTS.write(Path(home.landing), [1])
    up.prefect("deployment", "run", "bootstrap/bootstrap-flights", "--watch", "--watch-interval", "1")
    FLIGHTS.write(Path(home.landing), [2])
    before = set(home.work.glob("*/*"))
    with looking() as page:
        retrain_by_force(page, up.url)
        killed = kill_a_run_and_its_worker(up, home, before)
        up.schedule("retrain-flights", seconds=8)  # the server's next look comes before
        look_through(page, up.url)
        subprocess.run([BIN / "evergreen", "backup", home.home / "backup"], env=up.environment, cwd=PROJECT, check=True)
        approve_in_the_form(page, up, home)

    def scheduled() -> list[dict[str, Any]]:
        done = [run for run in up.found("flow_runs") if run["state_type"] == "COMPLETED"]
        return [run for run in done if run["auto_scheduled"] and "retrain" in run["tags"]]

    deadline = time.monotonic() + 180
    while not scheduled():
        assert time.monotonic() < deadline, "no scheduled run completed"
        time.sleep(2)

    (dead,) = [run for run in up.found("flow_runs") if run["id"] == killed]
    assert (dead["state_type"], "killed" in dead["state"]["message"]) == ("CRASHED", True)
    assert (dead["parameters"]["model"], dead["parameters"]["force"]) == ("flights", True)
    runs = {run["name"]: run for run in up.found("flow_runs") if run["state_type"] == "COMPLETED"}
    (started,) = [run for run in runs.values() if "bootstrap" in run["tags"]]
    assert started["name"].startswith("flights 2013-W")
    assert started["name"].endswith(" · promoted · version 1")
    assert {"flights", "bootstrap", "promoted"} <= set(started["tags"])
    assert "run-flights" in {artifact["key"] for artifact in up.found("artifacts")}

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(90) == 0, "40 seconds for the runs, 20 until they are gone, 20 for the server, and a look"
    with pytest.raises(urllib.error.URLError):
        up.found("flow_runs")
    with open_registry(home.database_url) as registry:
        runs_of_flights = registry.runs("flights", limit=100)
        assert all(run.finished_at and run.reason for run in runs_of_flights)
        by = {run.trigger.removeprefix("deployment ") for run in runs_of_flights}
        person = {"bootstrap-flights, by a person", "retrain-flights, by a person"}
        assert by == {*person, "retrain-flights, by its schedule"}
        # The next scheduled run may have been cut short by Ctrl-C: its outcome is its own.
        assert [run.outcome for run in runs_of_flights if run.flow_run_id == killed] == ["lost"]
        proofs = [version for version in registry.versions("flights") if version.parent and not version.refit_of]
        assert len(proofs) == 1, "what was killed was trained once, by the next run"
    assert list(home.running.iterdir()) == []
    restored = up.environment | {"EVERGREEN_HOME": str(home.home / "new")}
    subprocess.run([BIN / "evergreen", "restore", home.home / "backup"], env=restored, cwd=PROJECT, check=True)


def approve_in_the_form(page: Page, up: Up, home: Settings) -> None:
    """Fill in the form of the UI for a version that waits: it is promoted, by that name and for that reason."""
    (form,) = (one["id"] for one in up.found("deployments") if one["name"] == "approve")
    with open_registry(home.database_url) as registry:
        number = str(let_one_wait(registry, "digits"))
        said = {"decision": "approve", "by": "Ada", "reason": "agreed with the front desk"}
        approve(page, up.url, form, {"model": "digits", "version": number} | said)
        deadline = time.monotonic() + 120
        while (newest := registry.promotions("digits")[-1]).sequence == 1:
            assert time.monotonic() < deadline, "nothing came of the form"
            time.sleep(0.5)
        assert (str(newest.number), newest.actor) == (number, "Ada")
        assert newest.reason == "approved: agreed with the front desk; the gate: better so far"
    page.open(f"{up.url}/v2/runs", f"digits version {number} · promoted")


def kill_a_run_and_its_worker(up: Up, home: Settings, before: set[Path]) -> str:
    """Kill -9 the process of a retrain that trains, and the worker that would tell of it; returns the flow run."""
    deadline = time.monotonic() + 180
    while set(home.work.glob("*/*")) <= before:
        assert time.monotonic() < deadline, "no retrain began to train"
        time.sleep(0.1)
    with open_registry(home.database_url) as registry:
        (run,) = registry.open_runs()
    process = process_of(home.running, run)
    assert process is not None
    assert MARK.encode() in Path(f"/proc/{process}/environ").read_bytes()
    worker = subprocess.check_output(["pgrep", "-P", str(up.process.pid), "-f", "worker start"], text=True)
    for number in (int(worker), process):
        os.kill(number, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while (lost := next(one for one in up.found("flow_runs") if one["id"] == run.flow_run_id))[
        "state_type"
    ] == "RUNNING":
        assert time.monotonic() < deadline, lost
        time.sleep(1)
    return str(run.flow_run_id)


EMIT = """
from prefect.events import emit_event
for flow in ("retrain", "watch"):
    emit_event("evergreen.drift.found", {"prefect.resource.id": "evergreen.model.flights", "evergreen.flow": flow})
"""


@pytest.fixture
def flights_on_arrival(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flights has a champion, of which nobody asks anything here, and files that land start its retrain."""
    (tmp_path / "models").mkdir()
    spec = (PROJECT / "models/flights.py").read_text()
    (Path(home.landing) / "flights").mkdir(parents=True)
    asking = "\nfrom dataclasses import replace\nspec = replace(spec, retrain=replace(spec.retrain, on_arrival=True))\n"
    (tmp_path / "models/flights.py").write_text(spec + asking)
    monkeypatch.setenv("EVERGREEN_MODELS", str(tmp_path / "models"))
    with open_registry(home.database_url) as registry:
        registry.add_model("flights")
        registry.register(NewVersion("flights", None, None, base=stored("base", "b"), head=stored("head", "h")))
        registry.promote("flights", 1, seen=0, kind="bootstrap", actor="test", reason="the first")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_watch_finds_starts_the_retrain(flights_on_arrival: None, up: Up, home: Settings) -> None:
    """On the deployment that has the schedule too; what a retrain found starts no other one. So does what lands.

    The champion's files are not there, so that the run fails, and who is to know is told.
    """
    with receiving() as receiver:
        notify(up.url, receiver.url)
        start_by_an_event(up)
        land_and_start(up, home)
        deadline = time.monotonic() + 120
        while len(receiver.got) < 2:
            assert time.monotonic() < deadline, f"not everybody was notified: {receiver.got}"
            time.sleep(0.5)
    called, told = sorted(receiver.bodies, key=lambda body: "subject" in body)
    assert (told["subject"], called["run"], called["state"]) == (called["run"], told["subject"], "Failed")
    assert called["run"].endswith(" · failed")
    with open_registry(home.database_url) as registry:
        by = [run.trigger for run in registry.runs("flights")]
    assert by == ["deployment retrain-flights, by an arrival", "deployment retrain-flights, by an event"]
    assert choices(up.url) == {"approve": ["flights"], "retrain-flights": ["flights"]}
    assert is_refused(up.url, "retrain/retrain-flights", {"model": "digits"})


def start_by_an_event(up: Up) -> None:
    """Emit what a watch and a retrain would, and wait for the one run that comes of it, until it ended."""
    subprocess.run([sys.executable, "-c", EMIT], env=up.environment, cwd=PROJECT, check=True)

    def started() -> list[dict[str, Any]]:
        return [run for run in up.found("flow_runs") if (run["created_by"] or {}).get("type") == "AUTOMATION"]

    deadline = time.monotonic() + 180
    while not started() or not started()[0]["end_time"]:  # until then nothing else is started
        assert time.monotonic() < deadline, "the event started no run, or it does not end"
        time.sleep(0.5)
    (run,) = started()
    assert {"flights", "retrain"} <= set(run["tags"])
    assert run["parameters"] == {"model": "flights"}


def land_and_start(up: Up, home: Settings) -> None:
    """Let two files land, and wait for the one run that comes of them."""

    def arrived() -> list[dict[str, Any]]:
        return [run for run in up.found("flow_runs") if "arrival" in run["tags"]]

    FLIGHTS.write(Path(home.landing), [1])
    FLIGHTS.write(Path(home.landing), [2])
    deadline = time.monotonic() + 120
    while not arrived():
        assert time.monotonic() < deadline, "what landed started no run"
        time.sleep(0.5)
    (run,) = arrived()
    assert {"flights", "retrain", "arrival"} <= set(run["tags"])


@pytest.mark.slow
def test_a_busy_port_is_refused(home: Settings) -> None:
    """If something answers at the port already, the error names the way out."""
    import http.server
    import threading

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = str(server.server_address[1])
    done = subprocess.run(
        [BIN / "evergreen", "up", "--port", port], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    server.shutdown()
    server.server_close()
    assert done.returncode == 1
    assert f"port {port}: something answers there already" in done.stderr


@pytest.mark.slow
def test_a_second_one_on_the_same_port_is_refused(home: Settings) -> None:
    """Also while the first one has no server just then; nothing of the first one is ended."""
    noted = home.running / "up-4299.pids"
    with held(noted, 4299):
        done = subprocess.run(
            [BIN / "evergreen", "up", "--port", "4299"], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert noted.exists()
    assert done.returncode == 1
    assert "port 4299: something answers there already: another `evergreen up`" in done.stderr


def test_a_folder_without_prefect_yaml_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started elsewhere, it says where to go."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvergreenError, match=r"it has no prefect\.yaml"):
        CliRunner().invoke(app, ["up"], catch_exceptions=False)


def test_a_repository_without_models_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after `evergreen init` there is nothing to register; it says how that changes."""
    assert CliRunner().invoke(app, ["init", str(tmp_path / "shop")]).exit_code == 0
    monkeypatch.chdir(tmp_path / "shop")
    with pytest.raises(EvergreenError, match=r"prefect\.yaml: it has no deployments yet.*evergreen new"):
        CliRunner().invoke(app, ["up"], catch_exceptions=False)
