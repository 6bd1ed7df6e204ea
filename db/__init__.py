"""SQLAlchemy: what is remembered."""
