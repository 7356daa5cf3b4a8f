"""What each kind of layer does to the L2 norm, one kind a file."""
