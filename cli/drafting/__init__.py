"""A first model file for a newcomer's own data, from what its columns seem to be."""
