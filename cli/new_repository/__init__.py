"""The files that `evergreen init` writes, as templates; the leading dot and .py are added then."""
