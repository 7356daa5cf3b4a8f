"""The kinds of measurements, one a file: what is measured, and nothing of how it is shown."""
