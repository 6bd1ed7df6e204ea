"""The champion of an Evergreen model, inside any other program: loaded, verified, refreshed."""
