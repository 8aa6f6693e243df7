"""The edge: client protocols (dialects, pure) and the sockets that carry them (transports)."""
