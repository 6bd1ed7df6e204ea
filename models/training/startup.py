"""TensorFlow starts quietly: what it says of GPUs and number formats is no news to whoever reads a run's log."""

from __future__ import annotations

import logging
import os
import sys
import tempfile


def start_tensorflow() -> None:
    """Import TensorFlow once, without its start-up chatter; if it cannot start, everything it said is shown.

    It writes to the process's standard error before any of its log levels count, so that stream is held back
    meanwhile.
    """
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for GPUs, which it would comment on later
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    # Every partition and head is traced anew on purpose; TensorFlow takes that for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
