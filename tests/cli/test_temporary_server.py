"""A run without a Prefect server of its own starts one for the time; what is said where that does not come up."""

import pytest

from cli.main import reached_server
from errors import ServerFailed


def test_a_busy_machine_gets_a_sentence() -> None:
    """Prefect's own words, and two ways to go on; no traceback."""
    with pytest.raises(ServerFailed, match=r"did not start in time\. To fix it: .*evergreen up"), reached_server():
        raise RuntimeError("Timed out while attempting to connect to ephemeral Prefect API server.")
