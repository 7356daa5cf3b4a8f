"""The attack beside foolbox, ART, SciPy and, where it is known, the exact optimum."""
