"""Has the world moved? Drift, the live track record, and whether a retrain is worth it."""
