"""A fresh process that answers as a service would: with evergreen_client, a version's stored files, and no more.

What works in the process that trained need not work anywhere else: a layer may be registered there only, features
may come from a cache, a file may have been damaged since. So this process begins anew, knows nothing of ours but
where the files are, and is asked for what the version said about some rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Self

from evergreen_client.errors import EvergreenError

if TYPE_CHECKING:
    from evergreen_client.artifacts import StoredArtifact

PROGRAM = "from learning.fresh_service import serve; serve()"
WAIT_SECONDS = 600.0
LONGEST = 300  # characters of what a library says of an error


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
    """

    model: str
    number: int
    base: StoredArtifact
    head: StoredArtifact
    root: str
    cache: str
    columns: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """Predictions, a list for each row, or why there are none, in a sentence."""

    predictions: list[list[float]]
    error: str = ""


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


def written(question: Question) -> str:
    """A question as JSON."""
    return json.dumps(vars(question), default=vars)


def serve() -> None:
    """What the process does: read a question, and answer it on a line of JSON."""
    if text := sys.stdin.read():  # else nobody asked
        print(json.dumps(asdict(answered(text))))  # noqa: T201 - this is how it answers


def answered(text: str) -> Answer:
    """The answer to a question that is written in JSON."""
    try:
        return Answer(_predict(json.loads(text)))
    except EvergreenError as error:
        return Answer([], str(error))
    except Exception as error:  # noqa: BLE001 - the user's layers and Keras raise what they like
        return Answer([], shorten(f"{type(error).__name__}: {error}", LONGEST, placeholder=" ..."))


def _predict(question: dict[str, Any]) -> list[list[float]]:
    from evergreen_client.artifacts import ArtifactRoot, StoredArtifact
    from evergreen_client.champion import LoadedVersion
    from evergreen_client.model_files import load_model_of
    from evergreen_client.registry import ChampionRecord

    model, number, columns = question["model"], question["number"], question["columns"]
    base, head = (StoredArtifact(**question[part]) for part in ("base", "head"))
    artifacts = ArtifactRoot(question["root"], Path(question["cache"]))
    parts = [
        load_model_of(model, artifacts.fetch(part, of=f"version {number} of model '{model}'")) for part in (base, head)
    ]
    version = LoadedVersion.of(ChampionRecord(number, "", base, head), *parts)
    answers: list[list[float]] = version.predict(columns).astype("float64").tolist()
    return answers
