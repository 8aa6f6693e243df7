"""Client protocols: bytes to chunks of events and answers to bytes. No socket, no clock."""
