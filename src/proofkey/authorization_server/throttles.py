"""Who may try how often: sign-ins per account and per address, client secrets per client and address."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import TooManyRequests
from proofkey.protocol.text import Instant, digest_of
from proofkey.protocol.throttle import Backoff, Limit

SIGN_IN_BY_ACCOUNT: Final = Backoff("sign-in account")
"""NIST SP 800-63B-4 §3.2.2: 5 free, then 30 s doubling to 1 h; 100 consecutive failures are the end until the
store forgets them or an administrator sets a new password."""
SIGN_IN_BY_ADDRESS: Final = Limit("sign-in address", burst=100, period=3)
"""Against spraying over many accounts; wide enough for an office behind one address."""
CLIENT_SECRET: Final = Limit("client secret", burst=20, period=6)
"""RFC 6749 §2.3.1; counted only after a wrong one."""

PUSHED_REQUEST: Final = Limit("pushed request", burst=300, period=0.1)
"""RFC 9126 §2.3; each one is a row for some minutes."""

INTROSPECTION: Final = Limit("introspection", burst=1000, period=0.01)
"""Per client; counts only questions about what is not active: an API that is flooded with invented tokens goes on,
and who tries tokens out gets nowhere with a hundred a second."""


async def take_attempt(server: AuthorizationServer, rule: Limit | Backoff, key: str, now: Instant) -> None:
    """Counts one attempt before it is made.

    Raises: TooManyRequests when it must wait.
    """
    if server.policy.allow_insecure_no_throttles:
        return
    refused = await server.store.take(rule, key, now)
    if refused:
        raise TooManyRequests(retry_after=refused.retry_after, rule=rule.name)


async def forget_attempts(server: AuthorizationServer, rule: Limit | Backoff, key: str) -> None:
    """After a success."""
    if not server.policy.allow_insecure_no_throttles:
        await server.store.reset(rule, key)


def account_key(username: str) -> str:
    """A normalised username as throttles count it; the store holds no list of the names that were tried."""
    return digest_of(username)


def address_key(peer: str) -> str:
    """An address as throttles count it: IPv6 by its /64, which is one customer; a mapped one as IPv4."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer[:64]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))
