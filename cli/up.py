"""`evergreen up`: a Prefect server, the deployments of prefect.yaml and a worker, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from cli.arriving import Arriving, asking_specs
from cli.prefect_deploy import deploying
from cli.prefect_home import keep_prefect_here
from cli.prefect_server import COMMAND, HOST, answering, client_of, refuse_taken, wait_until_answers
from cli.prefect_worker import MODULE
from cli.printing import say, say_if_heard
from cli.registering import FILE, POOL, check_deployments, register
from cli.serving import ABOVE, serving
from cli.supervisor import STOP_SECONDS, Process, Service, held
from errors import EvergreenError
from settings import Settings, get_settings

if TYPE_CHECKING:
    from db.registry import ModelRegistry

INTERRUPT_SECONDS = 40  # for runs to end in order: a step of training, and two requests
SECONDS_BETWEEN_LOOKS = 15.0  # for runs that were killed
BEGINNING = timedelta(seconds=45)  # until a run whose worker was killed has begun by itself, or never will
REFUSED = "read its last lines above; where it asks for a password, set PREFECT_API_AUTH_STRING as well"
ENDS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
WORKER = ("--pool", POOL, "--name", "local-worker")
MARK = "EVERGREEN_STARTED_BY"  # no setting: in the environment of all that this one starts, and of what those start


@dataclass
class Up:
    """What `evergreen up` keeps running."""

    url: str
    environment: dict[str, str]
    server: Service
    worker: Service
    registry: ModelRegistry
    settings: Settings
    arriving: Arriving
    looked: float = 0.0

    @property
    def noted(self) -> Path:
        """The file in which the processes are noted, for the next one to end them if this one is killed."""
        return self.settings.running / f"up-{self.url.rpartition(':')[2]}.pids"

    @property
    def flow_run_processes(self) -> set[int] | None:
        """Processes of the flow runs that our workers started, with their children; None where there is no /proc."""
        from tasks.lease import processes_of_flow_runs

        return processes_of_flow_runs(MARK, self.environment.get(MARK, ""))

    def note(self) -> None:
        """Note the processes."""
        started = (service.process for service in (self.server, self.worker))
        self.noted.write_text(" ".join(str(process.pid) for process in started if process), encoding="utf-8")


def up(
    port: Annotated[int, typer.Option(help="Port of the server and its UI, on 127.0.0.1.", min=1, max=65535)] = 4200,
) -> None:
    """Start the Prefect server and UI, register the deployments, and work on their runs until Ctrl-C."""
    from db.registry import open_registry

    check_deployments(FILE)
    url, settings = f"http://{HOST}:{port}", get_settings()
    keep_prefect_here(settings)
    # The UI asks the address that it was opened at, be that 127.0.0.1, localhost or a proxy.
    environment = {"PREFECT_UI_API_URL": "/api"} | os.environ | {"PREFECT_API_URL": f"{url}/api", "PREFECT_UI_URL": url}
    environment[MARK] = uuid4().hex
    environment.pop("PREFECT__FLOW_RUN_ID", None)  # where a flow has started this one: what follows is no part of it
    end_when_told()
    place = "--host", HOST, "--port", str(port)
    server = Service("server", lambda: started(environment, *COMMAND, *place))
    worker = Service("worker", lambda: started(environment, MODULE, "worker", "start", *WORKER))
    with open_registry(settings.database_url) as registry:
        arriving = Arriving(asking_specs(settings), registry, settings.landing, lambda: client_of(url))
        all_of_it = Up(url, environment, server, worker, registry, settings, arriving)
        with held(all_of_it.noted, port) as left_over:
            if left_over:
                say("ended the server and the worker of an `evergreen up` that was killed")
            refuse_taken(port)
            with serving(settings.reports, port + ABOVE) as address:
                if not settings.reports_url:
                    environment["EVERGREEN_REPORTS_URL"] = address
                run_until_interrupted(all_of_it)


def run_until_interrupted(all_of_it: Up) -> None:
    """Start all of it, keep it running, and stop it in order in the end."""
    try:
        start(all_of_it)
        while True:
            time.sleep(0.5)
            keep_running(all_of_it)
    except KeyboardInterrupt:
        say_if_heard("\nstopping: runs end where they are, and go on at the next start …")
    finally:
        stop(all_of_it)


def start(all_of_it: Up) -> None:
    """Start the server, register the deployments, end and resume what was cut short, and start the worker."""
    url = all_of_it.url
    say(f"starting the Prefect server on {url} …")
    all_of_it.server.begin()
    all_of_it.note()
    with deploying(all_of_it.environment) as deploy:
        from tasks.tidy import resume  # here, while the server starts

        wait_until_answers(url, all_of_it.server)
        say("registering the deployments …")
        with answering(url, REFUSED), client_of(url) as client:
            register(client, all_of_it.environment, deploy)
            look(all_of_it, beginning=timedelta(0))  # nothing has a worker yet
            for run in resume(client, all_of_it.registry):
                say(f"run {run.id} of {run.model} was cut short, and goes on")
    all_of_it.worker.begin()
    all_of_it.note()
    all_of_it.arriving.begin()
    say(f"\nReady. The UI is at {url} - Ctrl-C stops everything.")
    say(f"In another terminal: export PREFECT_API_URL={url}/api\n")


def keep_running(all_of_it: Up) -> None:
    """Start again what ended by itself, and look for runs that were killed, from time to time."""
    server, worker = all_of_it.server, all_of_it.worker
    if server.ended:
        worker.kill()  # without a server it only tells so, at length; its runs are processes of their own, and go on
        server.begin_again()
        all_of_it.note()
        wait_until_answers(all_of_it.url, server)
        worker.begin()
        all_of_it.note()
    elif worker.ended:
        worker.begin_again()
        all_of_it.note()
    if time.monotonic() - all_of_it.looked > SECONDS_BETWEEN_LOOKS:
        look(all_of_it)


def look(all_of_it: Up, beginning: timedelta = BEGINNING) -> None:
    """Look once for runs that were killed, or that wait for nothing; a fault of the server's is told, and no end."""
    from tasks.flow_runs import SERVER_ERRORS
    from tasks.tidy import Place, tidy

    try:
        with client_of(all_of_it.url) as client:
            done = tidy(client, Place(all_of_it.registry, all_of_it.settings.running, POOL, beginning))
    except (*SERVER_ERRORS, EvergreenError) as error:
        say_if_heard(f"could not look for killed runs, and will again: {str(error) or type(error).__name__}", err=True)
    else:
        if str(done):
            say_if_heard(f"{datetime.now(UTC):%H:%M:%S} UTC: {done}")
    all_of_it.looked = time.monotonic()


def stop(all_of_it: Up) -> None:
    """Stop in order: the worker takes nothing new, its runs end where they are, and then the server stops."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    told, deadline = set[int](), time.monotonic() + INTERRUPT_SECONDS
    try:
        all_of_it.arriving.end()
        all_of_it.worker.stop(INTERRUPT_SECONDS, lambda: tell_runs(all_of_it, told))
        while processes_started(all_of_it) and time.monotonic() < deadline:  # by a worker that was killed before
            tell_runs(all_of_it, told)
            time.sleep(0.2)
        end_what_is_left(all_of_it)
        if all_of_it.worker.process is not None and not all_of_it.server.ended:
            look(all_of_it, beginning=timedelta(0))
    finally:
        all_of_it.server.stop()


def tell_runs(all_of_it: Up, told: set[int]) -> None:
    """Ask the runs to end where they are, each once: their worker would wait for them, and sends them nothing.

    Args:
        all_of_it: what runs.
        told: the processes that were told before; those told now are added.
    """
    for process in processes_of_runs(all_of_it) - told:
        told.add(process)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)


def end_what_is_left(all_of_it: Up) -> None:
    """Kill what has not ended in its time, whether it has begun a run or not, and wait until it is gone.

    Only then can a look see that its run is lost; a process that begins one later would find no server.
    """
    deadline = time.monotonic() + STOP_SECONDS
    while left := processes_started(all_of_it):
        if time.monotonic() > deadline:
            say_if_heard(f"processes {sorted(left)} of runs do not end: their runs end at the next start", err=True)
            return
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)


def processes_started(all_of_it: Up) -> set[int]:
    """Those of the flow runs that our workers started, with their children; of open runs where the system has no /proc.

    Other workers of this machine may serve the same registry: their runs are not ours to end.
    """
    ours = all_of_it.flow_run_processes
    return processes_of_runs(all_of_it) if ours is None else ours


def processes_of_runs(all_of_it: Up) -> set[int]:
    """Those of our open runs of deployments; the ones of a command are not ours to end."""
    from tasks.lease import process_of

    try:
        running = all_of_it.registry.open_runs()
    except EvergreenError as error:  # the server is to be stopped all the same
        say_if_heard(f"could not ask which runs are open: {error}", err=True)
        return set()
    deployed = (run for run in running if run.trigger.startswith("deployment "))
    found = {process for run in deployed if (process := process_of(all_of_it.settings.running, run))}
    ours = all_of_it.flow_run_processes
    return found if ours is None else found & ours


def end_when_told() -> None:
    """Stop on a polite kill, and when the terminal is closed, as on Ctrl-C, so that the children are stopped too."""
    for number in ENDS:
        # A shell's background jobs ignore SIGINT by default; `nohup` asks to go on without the terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def interrupt(_signal: int, _frame: object) -> None:
    """Do what Python does on Ctrl-C."""
    raise KeyboardInterrupt


def started(environment: dict[str, str], *words: str) -> Process:
    """Start a Python module in a session of its own: Ctrl-C reaches us alone, and we stop it in order."""
    return subprocess.Popen([sys.executable, "-m", *words], env=environment, start_new_session=True)
