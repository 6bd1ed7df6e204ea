"""Keras: what is learned. One file per model of the user's, and the training that all of them share."""
