"""The training that every model shares: base and head, feature cache, fine-tuning, scoring."""
