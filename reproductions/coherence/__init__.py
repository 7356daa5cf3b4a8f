"""The comparison of units with random directions."""
