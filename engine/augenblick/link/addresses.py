"""Which of this machine's addresses others reach it by."""

from __future__ import annotations

import socket

from augenblick.errors import UsageError


def address_towards(peer: str) -> str:
    """This machine's address as the one at "host:port" sees it; nothing is sent.

    Raises UsageError when there is no way to that host.
    """
    host, _, port = peer.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
        family, kind, protocol, _, target = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except (OSError, ValueError) as error:
        raise UsageError(f"there is no way to {peer}: {error}") from None
