"""The demo's data: a year of flights, twelve months of digits."""
