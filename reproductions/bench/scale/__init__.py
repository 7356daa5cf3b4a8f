"""How the time and memory of the attack grow."""
