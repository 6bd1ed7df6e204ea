"""The error tree: drawn as it is, and three parts to every message."""

import pickle
import re

import pytest

import errors
from errors import EvergreenError, UnknownModel


def test_the_drawing_is_the_tree() -> None:
    """Every class stands in the drawing at the top of the file, and the drawing invents none."""
    drawn = set(re.findall(r"^[│├└─ ]*([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)) - {"Every"}
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert drawn == defined


def test_a_message_has_three_parts() -> None:
    """What came in, why it is refused, how to fix it."""
    error = UnknownModel("model 'x'", "no file models/x.py defines it", "use one of: flights")
    assert str(error) == "model 'x': no file models/x.py defines it. To fix it: use one of: flights."


@pytest.mark.parametrize("kind", [value for value in vars(errors).values() if isinstance(value, type)])
def test_errors_cross_processes(kind: type[EvergreenError]) -> None:
    """An error raised in a worker process arrives whole."""
    error = kind("this", "that", "so")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
