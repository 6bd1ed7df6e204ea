"""The gate: champion and challenger on the same rows."""
