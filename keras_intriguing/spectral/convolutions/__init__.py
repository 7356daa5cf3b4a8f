"""Convolutions as operators: their geometry, and their symbol over frequencies."""
