"""A fresh process that answers as a service would: with evergreen_client, a version's stored files, and no more.

What works in the process that trained need not work anywhere else: a layer may be registered there only, features
may come from a cache, a file may have been damaged since. So this process begins anew, knows nothing of ours but
where the files are, and is asked for what the version said about some rows. Like a service, it may have loaded the
champion before, and then loads of the version what is new: the same verified bytes are the same part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from textwrap import shorten
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self
from zipfile import ZipFile

from evergreen_client.errors import EvergreenError

if TYPE_CHECKING:
    from evergreen_client.artifacts import ArtifactRoot, StoredArtifact
    from evergreen_client.champion import LoadedVersion

PROGRAM = "from learning.fresh_service import serve; serve()"
WAIT_SECONDS = 600.0
LONGEST = 300  # characters of what a library says of an error
TRAINING = {"compile_config", "shared_object_id", "trainable"}  # in a file's configuration, nothing of its layers
TURNS = 5  # in which two versions are timed,
TURNS_SECONDS = 2.0  # unless so much time was spent before


@dataclass(frozen=True)
class Question:
    """What to load, and what to predict.

    Args:
        model: name of the model.
        number: of the version.
        base: its stored base.
        head: its stored head.
        root: the artifact root.
        cache: local folder for files of a remote root.
        columns: inputs of some rows, name to values.
        champion: stored base and head of the champion, whose speed the version's is compared with.
    """

    model: str
    number: int
    base: StoredArtifact
    head: StoredArtifact
    root: str
    cache: str
    columns: Mapping[str, Any]
    champion: tuple[StoredArtifact, StoredArtifact] | None = None


@dataclass(frozen=True)
class Production:
    """What a service has loaded before: some version's stored parts, and where they are, as in `Question`."""

    model: str
    parts: tuple[StoredArtifact, ...]
    root: str
    cache: str


@dataclass(frozen=True)
class Answer:
    """Predictions, a list for each row, or why there are none, in a sentence.

    `seconds` is what the version took for these rows, and what the champion took; None if there was nothing to compare:
    no champion, or one of the very same layers.
    """

    predictions: list[list[float]]
    error: str = ""
    seconds: tuple[float, float] | None = None


class FreshService:
    """The process. It ends with the `with` block at the latest, and leaves the GPU to whoever trains.

    Args:
        models: the folders of model files, where the client looks for layers of the user's own.
        first: Python that it runs while nothing is asked yet.
    """

    def __init__(self, models: Sequence[Path], first: str = "") -> None:
        alone = {
            "EVERGREEN_MODELS": os.pathsep.join(map(str, models)),
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),  # noqa: PTH109 - text, not a path
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-c", f"{first}\n{PROGRAM}"]
        self._process = subprocess.Popen(command, env=os.environ | alone, text=True, **pipes)  # type: ignore[call-overload]
        self._thread = ThreadPoolExecutor(1)
        self._told: Future[tuple[str, str]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """End the process, if it has not ended by itself."""
        self._process.kill()
        self._thread.shutdown()
        with self._process:  # closes its pipes
            pass

    def prepare(self, production: Production) -> None:
        """Let it load what is in production, while nothing is asked yet; where that fails, the answer will say so."""
        with suppress(OSError):  # not by way of a buffer, which would be written again when it is closed
            os.write(self._process.stdin.fileno(), f"{written(production)}\n".encode())

    def ask(self, question: Question) -> None:
        """Let it load the version and predict, while this process goes on; it can be asked one thing."""
        if self._told is None:
            self._told = self._thread.submit(self._process.communicate, written(question), WAIT_SECONDS)

    def answer(self) -> Answer:
        """Wait for what it says to the question."""
        if self._told is None:
            raise RuntimeError("it was asked nothing")
        try:
            told, complaints = self._told.result()
        except subprocess.TimeoutExpired:
            return Answer([], f"it took longer than {WAIT_SECONDS:.0f} s")
        if self._process.returncode:
            last = (complaints.strip() or "no reason given").splitlines()[-1]
            return Answer([], f"its process ended with code {self._process.returncode}: {last}")
        return Answer(**json.loads(told.splitlines()[-1]))


def written(told: Question | Production) -> str:
    """What the process is told, as a line of JSON."""
    return json.dumps(vars(told), default=vars)


def serve() -> None:
    """What the process does: load what is in production, read a question, and answer it on a line of JSON."""
    known: LoadedVersion | None = None
    for line in sys.stdin:
        told = json.loads(line)
        if "parts" in told:
            known = _in_production(told)
        else:
            print(json.dumps(asdict(answered(line, known))))  # noqa: T201 - this is how it answers


def _in_production(told: dict[str, Any]) -> LoadedVersion | None:
    """A loaded version; None where it cannot be, which then is found out again of what is asked about."""
    from evergreen_client.artifacts import ArtifactRoot, StoredArtifact

    with suppress(Exception):
        base, head = (StoredArtifact(**part) for part in told["parts"])
        return _loaded(told["model"], 0, (base, head), ArtifactRoot(told["root"], Path(told["cache"])))
    return None


def answered(text: str, known: LoadedVersion | None = None) -> Answer:
    """The answer to a question that is written in JSON, of a process that knows some version already."""
    try:
        return _answer(json.loads(text), known)
    except EvergreenError as error:
        return Answer([], str(error))
    except Exception as error:  # noqa: BLE001 - the user's layers and Keras raise what they like
        return Answer([], shorten(f"{type(error).__name__}: {error}", LONGEST, placeholder=" ..."))


def _answer(question: dict[str, Any], known: LoadedVersion | None) -> Answer:
    from evergreen_client.artifacts import ArtifactRoot, StoredArtifact

    model, number, columns = question["model"], question["number"], question["columns"]
    artifacts = ArtifactRoot(question["root"], Path(question["cache"]))
    parts = [StoredArtifact(**question[part]) for part in ("base", "head")]
    files = {part: artifacts.fetch(part, of=f"version {number} of model '{model}'") for part in parts}
    version = _loaded(model, number, parts, artifacts, known)
    predictions: list[list[float]] = version.predict(columns).astype("float64").tolist()
    seconds = None
    with suppress(Exception):  # a champion that cannot be used is no yardstick, and no fault of the version
        parts = [StoredArtifact(**part) for part in question["champion"] or ()]
        others = {part: files.get(part) or artifacts.fetch(part, of=f"model '{model}'") for part in parts}
        if others and list(map(_layers, others.values())) != list(map(_layers, files.values())):
            seconds = in_turns(version, _loaded(model, number, parts, artifacts, known), columns)
    return Answer(predictions, seconds=seconds)


def _loaded(
    model: str,
    number: int,
    parts: Sequence[StoredArtifact],
    artifacts: ArtifactRoot,
    known: LoadedVersion | None = None,
) -> LoadedVersion:
    from evergreen_client.champion import LoadedVersion
    from evergreen_client.registry import ChampionRecord

    base, head = parts
    return LoadedVersion.load(model, ChampionRecord(number, "", base, head), artifacts, known)


def _layers(path: Path) -> Any:
    """What a `.keras` file says of its layers, without how they were trained: where it is the same, so is the speed."""
    with ZipFile(path) as file:
        described = file.read("config.json")
    return json.loads(described, object_hook=lambda part: {name: part[name] for name in part.keys() - TRAINING})


def in_turns(version: LoadedVersion, champion: LoadedVersion, columns: Mapping[str, Any]) -> tuple[float, float]:
    """The median seconds that each takes for these rows, asked in turns: what else the machine does slows both."""
    champion.predict(columns)  # as the version has before: the first call makes the graph
    taken: list[tuple[float, float]] = []
    give_up = perf_counter() + TURNS_SECONDS
    while not taken or (len(taken) < TURNS and perf_counter() < give_up):
        taken.append((_seconds(version, columns), _seconds(champion, columns)))
    first, second = zip(*taken, strict=True)
    return median(first), median(second)


def _seconds(version: LoadedVersion, columns: Mapping[str, Any]) -> float:
    started = perf_counter()
    version.predict(columns)
    return perf_counter() - started
