"""The paper's tables and figures, remeasured: `python -m reproductions`."""
