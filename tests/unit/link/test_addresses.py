"""This machine's address as a peer sees it."""

import pytest

from augenblick.errors import UsageError
from augenblick.link.addresses import address_towards


@pytest.mark.parametrize("peer", ["127.0.0.1:6379", "127.0.0.9:1", "localhost:6379"])
def test_loopback(peer):
    assert address_towards(peer).startswith(("127.", "::1"))


@pytest.mark.parametrize("peer", ["", "host", "127.0.0.1:x", "no such host:1"])
def test_no_way(peer):
    with pytest.raises(UsageError, match="there is no way to"):
        address_towards(peer)
