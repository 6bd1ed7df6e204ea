"""How an online learner's scores move, for TensorBoard: `tensorboard --logdir .evergreen/logs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


@contextmanager
def curves(folder: Path) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Give a function that adds a point to each curve, at a number of events; without a point there is no file.

    Args:
        folder: where TensorBoard finds them.
    """
    import tensorflow as tf

    @cache
    def writer() -> Any:
        return tf.summary.create_file_writer(str(folder))

    def draw(events: int, values: Mapping[str, float]) -> None:
        with writer().as_default(events):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    try:
        yield draw
    finally:
        if writer.cache_info().currsize:
            writer().close()
