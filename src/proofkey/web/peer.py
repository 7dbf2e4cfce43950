"""Who is at the other end: forwarding headers count only from trusted proxies."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.requests import HTTPConnection

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding

UNKNOWN: Final = "unknown"
"""The address of a peer that has none, such as a Unix socket."""

Address = IPv4Address | IPv6Address


class TrustedProxies:
    """The networks whose X-Forwarded-For is believed; none by default. X-Forwarded-Host and -Proto never are."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Raises: ConfigurationError when a network is not one, or is the whole Internet."""
        found: list[IPv4Network | IPv6Network] = []
        for text in networks:
            try:
                network = ip_network(text, strict=False)
            except ValueError:
                raise ConfigurationError(Finding.CONFIG_VALUE, key="trusted_proxies", value=text[:64]) from None
            if network.prefixlen == 0:
                reason = "everybody could write an address of their own"
                raise ConfigurationError(
                    Finding.CONFIG_VALUE, key="trusted_proxies", value=text[:64], reason=reason
                )
            found.append(network)
        self._networks = tuple(found)

    def trusts(self, address: Address) -> bool:
        """Whether that address is one of the proxies."""
        return any(address.version == network.version and address in network for network in self._networks)

    def peer(self, connection: HTTPConnection) -> str:
        """The client's address: the last one that no trusted proxy vouches for.

        X-Forwarded-For is read from the right, since everything left of the first untrusted entry is the
        client's own invention. A malformed entry ends the walk.
        """
        client = connection.client
        address = parse_address(client.host) if client else None
        if address is None:
            return UNKNOWN
        if not self._networks:
            return _text_of(address)
        forwarded = connection.headers.getlist("x-forwarded-for")
        for entry in reversed(",".join(forwarded).split(",")[-32:]):
            before = parse_address(entry) if self.trusts(address) else None
            if before is None:
                break
            address = before
        return _text_of(address)


@lru_cache(1024)
def _text_of(address: Address) -> str:
    return str(address)


@lru_cache(1024)
def parse_address(text: str) -> Address | None:
    """An IP address, with or without a port; IPv4-mapped IPv6 as IPv4. None when it is not one."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
