"""What a network is broken into for bounds: linear maps, units, maxima, and parts of which only a constant is known."""
