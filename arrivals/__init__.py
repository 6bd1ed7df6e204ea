"""What landed becomes partitions: found, read, checked, each row taken once (Polars)."""
