"""Sockets of the edge: each shell here reads, calls one pure reader and hands its chunks on."""
