"""Numerical tools that the bounds rest on, with rounding accounted for."""
