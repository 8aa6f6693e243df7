"""What outlives a process: formats, and what writes them."""
