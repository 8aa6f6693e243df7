"""What lies on disk, as pure functions between values and bytes."""
