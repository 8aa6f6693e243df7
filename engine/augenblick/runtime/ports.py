"""Ports: free ones, and whether one can be had, before anything is started."""

from __future__ import annotations

import os
import socket
import time

from augenblick.config.serve import host_port
from augenblick.errors import UsageError

_POLL_SECONDS = 0.1


def free_port(host: str) -> int:
    """A port nobody listens on now; it may be bound again at once."""
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def settle(flag: str, address: str, seconds: float = 0.0) -> str:
    """The address with a port that can be had: 0 becomes a free one. Raises UsageError.

    Blocks for at most `seconds` while a process that ends still holds the port.
    """
    host, port = host_port(flag, address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_server((host, port), family=family) as server:
                port = int(server.getsockname()[1])
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        except OSError as error:
            if time.monotonic() >= deadline:
                reason = os.strerror(error.errno or 0)
                raise UsageError(f"{flag} {address} cannot be used: {reason}") from None
        time.sleep(_POLL_SECONDS)
