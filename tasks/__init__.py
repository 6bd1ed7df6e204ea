"""The steps of a flow: plain functions, each with its Prefect task as a thin shell below it."""
