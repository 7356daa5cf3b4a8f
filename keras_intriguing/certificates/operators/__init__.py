"""How each kind of layer becomes steps that bounds pass through, one kind a file."""
