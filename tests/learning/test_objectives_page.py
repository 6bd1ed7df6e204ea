"""docs/objectives.md: its examples run, and it names every figure that there is."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from learning.metrics import MEANS, SHARES, WHOLE, figure
from learning.objectives import Binary
from learning.spec import Gate, MultiOutput

PAGE = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text()


def test_the_examples_run_and_fit_a_model_of_events() -> None:
    """As they stand there, one after the other."""
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    gates = []
    for example in examples:
        exec(example, names)  # noqa: S102 - our own page
        gates += [names.pop(name) for name in ("gate",) if name in names]
    assert len(gates) == 2
    objective = names["objective"]
    assert isinstance(objective, MultiOutput)
    assert objective.targets == ("late", "minutes")
    for gate in gates:
        assert isinstance(gate, Gate)
        gate.check_figures(Binary(), weighted=False)
    (mine,) = [gate.metric for gate in gates if isinstance(gate, Gate) and not isinstance(gate.metric, str)]
    assert mine is not None
    costs = figure(mine, Binary()).value(np.array([1.0, 1.0, 0.0]), np.array([[0.05], [0.5], [0.5]]))
    assert costs == (10 + 0 + 1) / 3


def test_every_figure_is_there() -> None:
    """In the table, by its name, and with the right way."""
    rows = re.findall(r"^\| (`.+?) \| (less|more) \|", PAGE, re.MULTILINE)
    listed = {name.partition("@")[0]: way for cell, way in rows for name in re.findall(r"`([a-z_0-9@.]+)", cell)}
    tables = {**WHOLE, **MEANS, **SHARES}
    assert listed == {name: "more" if higher else "less" for name, (higher, *_) in tables.items()}
