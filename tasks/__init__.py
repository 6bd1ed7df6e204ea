"""The steps that flows call, one file a step."""
