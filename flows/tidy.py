"""Tidy up after what was killed: end its runs with a reason, free its slot, and let one run wait where many do."""

from prefect import flow

from tasks.tidy import tidy_up


@flow(name="tidy", flow_run_name="tidy")
def tidy() -> str:
    """Look once, at all models; `evergreen up` looks every few seconds by itself.

    Returns:
        What was done, in a sentence; "nothing to tidy".
    """
    return tidy_up()


if __name__ == "__main__":
    tidy()
