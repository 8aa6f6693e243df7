"""Which network addresses a webhook may reach. Pure: no name is resolved here."""

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from augenblick.errors import UsageError

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
UNICAST6 = IPv6Network("2000::/3")  # the only IPv6 space given out for global unicast (IANA)


class AddressRefused(OSError):
    """The address behind a webhook's host is one that a plan may not reach."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses, and what the operator adds; loopback only where the engine serves there.

    An IPv6 address that carries an IPv4 address (mapped, 6to4, NAT64) is judged by that one.
    """

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()
    loopback_allowed: bool = False

    @classmethod
    def parse(cls, networks: tuple[str, ...], *, loopback_allowed: bool) -> "AddressPolicy":
        """From the operator's settings; raises UsageError for what is no network."""
        try:
            return cls(tuple(ip_network(text) for text in networks), loopback_allowed)
        except ValueError as error:
            raise UsageError(f"--webhook-allow: {error}") from None

    def check(self, host: str) -> None:
        """Raise AddressRefused if this numeric address may not be reached."""
        try:
            address = _carried(ip_address(host))
        except ValueError:
            raise AddressRefused(f"{host} is no address") from None
        if any(address in network for network in self.allowed):
            return
        if address.is_loopback:
            if not self.loopback_allowed:
                raise AddressRefused(f"{address} is this machine; --webhook-allow permits it")
        elif address.is_multicast or not address.is_global or not _is_unicast(address):
            raise AddressRefused(f"{address} is not public; --webhook-allow permits networks")


def _is_unicast(address: IPv4Address | IPv6Address) -> bool:
    return not address.is_reserved if isinstance(address, IPv4Address) else address in UNICAST6


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
