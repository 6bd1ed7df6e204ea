"""What a version learns, and how: specs and plans, base and head, cached features, fine-tuning (Keras)."""
