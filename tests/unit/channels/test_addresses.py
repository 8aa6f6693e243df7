"""Which addresses a webhook may reach."""

import pytest

from augenblick.channels._addresses import AddressPolicy, AddressRefused
from augenblick.errors import UsageError

PUBLIC = AddressPolicy()
LOOPBACK = AddressPolicy(loopback_allowed=True)


@pytest.mark.parametrize("host", ["93.184.215.14", "2606:4700::6810:84e5", "::ffff:93.184.215.14"])
def test_public_addresses_are_allowed(host: str) -> None:
    PUBLIC.check(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:a00:1::",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "not-an-address",
    ],
)
def test_everything_else_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        PUBLIC.check(host)


def test_loopback_is_its_own_permission() -> None:
    for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        LOOPBACK.check(host)
    for host in ("10.0.0.1", "0.0.0.0", "169.254.169.254"):
        with pytest.raises(AddressRefused):
            LOOPBACK.check(host)


def test_the_operator_adds_networks() -> None:
    policy = AddressPolicy.parse(("10.0.0.0/8", "fd00::/8"), loopback_allowed=False)
    for host in ("10.0.0.1", "::ffff:10.0.0.1", "fd12::1"):
        policy.check(host)
    for host in ("11.0.0.0.1", "192.168.0.1", "fe80::1", "127.0.0.1"):
        with pytest.raises(AddressRefused):
            policy.check(host)


def test_what_is_no_network_is_refused_at_the_start() -> None:
    with pytest.raises(UsageError, match="--webhook-allow"):
        AddressPolicy.parse(("10.0.0.1/8",), loopback_allowed=False)
