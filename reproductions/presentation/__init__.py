"""How measured values are shown: words, cells and tables that chapters have in common."""
