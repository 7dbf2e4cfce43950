"""Who may try how often. A rule counts by name and key in the store, so all workers and nodes share it; the name
says what is counted, whatever grant, endpoint spelling or client authentication method it came by.

Three kinds: attempts are counted before they are made; failures afterwards, where a right answer must never wait;
an alarm counts failures of all addresses together, refuses nobody, and allows each stranger less while it lasts.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from proofkey.authorization_server.role import AuthorizationServer
from proofkey.errors import TooManyRequests
from proofkey.protocol.text import Instant, digest_of
from proofkey.protocol.throttle import Backoff, Limit

Rule = Limit | Backoff

# --- sign-in -----------------------------------------------------------------------------------------------------
SIGN_IN_BY_ACCOUNT: Final = Backoff("sign-in account", most=80)
"""By account, for browsers that nobody has signed in to it with. NIST SP 800-63B-4 §3.2.2: 5 free, then 30 s
doubling to 1 h; with the 20 of a known device a hundred consecutive failures are the end, until the store forgets
them or an administrator sets a new password."""
SIGN_IN_BY_DEVICE: Final = Backoff("sign-in device", most=20)
"""By account and known device: what strangers do counts elsewhere, so that they lock no owner out."""
SIGN_IN_KNOWN: Final = Limit("sign-in known", burst=60, period=5)
"""By account, at known devices, right passwords too: nobody keeps the hashing busy with an account of his own."""
SIGN_IN_BY_ADDRESS: Final = Limit("sign-in address", burst=100, period=3)
"""By address, known devices apart; wide enough for an office behind one."""
SIGN_IN_SPRAYED: Final = Limit("sign-in sprayed", burst=100, period=600)
"""By address: accounts that it failed at. After a hundred it may go on with one in ten minutes."""
SIGN_IN_FIRST_FAILURE: Final = Limit("sign-in first failure", burst=1, period=86_400)
"""By address and account: the same account counts once a day as sprayed."""
SIGN_IN_ALARM: Final = Limit("sign-in alarm", burst=64, period=8)
"""By one of sixteen parts of all accounts: together a thousand failures at once, two a second, from anywhere."""
SIGN_IN_IN_ALARM: Final = Limit("sign-in in alarm", burst=3, period=300)
"""By address, known devices apart, while the alarm lasts: one password tried from many addresses gets nowhere."""
PAGE: Final = Limit("page", burst=600, period=0.25)
"""By address: each page of an authorization request is a row for some minutes."""

# --- clients -----------------------------------------------------------------------------------------------------
CLIENT_SECRET: Final = Limit("client secret", burst=20, period=6)
"""By client and address (RFC 6749 §2.3.1); counted only after a wrong secret or assertion."""
CLIENT_SECRET_BY_ADDRESS: Final = Limit("client secret address", burst=200, period=3)
"""By address: failures at whichever clients."""
CLIENT_ALARM: Final = Limit("client alarm", burst=500, period=2)
"""By client: failures from whichever addresses."""
CLIENT_SECRET_IN_ALARM: Final = Limit("client secret in alarm", burst=3, period=60)
"""By client and address, of addresses with a failure, while the client's alarm lasts."""
INVALID_GRANT: Final = Limit("invalid grant", burst=600, period=1)
"""By client and address: codes, refresh tokens and device codes that are not good. What is good never waits."""
PUSHED_REQUEST: Final = Limit("pushed request", burst=300, period=0.1)
"""By client (RFC 9126 §2.3); each one is a row for some minutes."""
INTROSPECTION: Final = Limit("introspection", burst=1000, period=0.01)
"""By client; counts only questions about what is not active: an API that is flooded with invented tokens goes on,
and who tries tokens out gets nowhere with a hundred a second."""
DEVICE_AUTHORIZATION: Final = Limit("device authorization", burst=60, period=5)
"""By client and address (RFC 8628 §5.2); each one is a row, and a user code more that could be hit by chance."""
USER_CODE: Final = Limit("user code", burst=5, period=30)
"""By address: codes that a person types, counted before they are looked up. A right one forgets nothing, since
whoever guesses can have a right one of his own (RFC 8628 §5.1)."""
USER_CODE_BY_ACCOUNT: Final = Limit("user code account", burst=5, period=60)
"""By account that is signed in, as `USER_CODE`."""
USER_CODE_OF_ALL: Final = Limit("user code of all", burst=600, period=0.2)
"""Everybody's together: while a code lives there are less than 2^12 guesses at 2^34 codes."""
REGISTRATION: Final = Limit("registration", burst=60, period=60)
"""By address: registrations, and wrong tokens at them (RFC 7591 §3, §5)."""
ALL_REGISTRATIONS: Final = Limit("all registrations", burst=1000, period=3)
"""Of everybody together: each one is a row for a month."""
CLIENT_DOCUMENT: Final = Limit("client document", burst=60, period=2)
"""By address: requests that make the server fetch a client's metadata document."""
ALL_CLIENT_DOCUMENTS: Final = Limit("all client documents", burst=1000, period=1)
"""Of everybody together: documents of clients that are not known yet; each one is a row for a day."""


async def take_attempt(server: AuthorizationServer, rule: Rule, key: str, now: Instant) -> None:
    """Counts one attempt before it is made.

    Raises: TooManyRequests when it must wait.
    """
    if server.policy.allow_insecure_no_throttles:
        return
    refused = await server.store.take(rule, key, now)
    if refused:
        raise TooManyRequests(retry_after=refused.retry_after, rule=rule.name)


async def check_attempt(server: AuthorizationServer, rule: Rule, key: str, now: Instant) -> None:
    """Counts nothing. Raises: TooManyRequests when one more would have to wait."""
    if server.policy.allow_insecure_no_throttles:
        return
    refused = await server.store.look(rule, key, now)
    if refused:
        raise TooManyRequests(retry_after=refused.retry_after, rule=rule.name)


async def is_alarmed(server: AuthorizationServer, alarm: Limit, key: str, now: Instant) -> bool:
    """Whether so many failures were counted that strangers get less. Counts nothing."""
    if server.policy.allow_insecure_no_throttles:
        return False
    return await server.store.look(alarm, key, now) is not None


async def count_failure(server: AuthorizationServer, rule: Limit, key: str, now: Instant) -> bool:
    """Counts one; whether it was still within the limit."""
    if server.policy.allow_insecure_no_throttles:
        return True
    return await server.store.take(rule, key, now) is None


async def forget_attempts(server: AuthorizationServer, rule: Rule, key: str) -> None:
    """After a success."""
    if not server.policy.allow_insecure_no_throttles:
        await server.store.reset(rule, key)


async def learn_suspects(server: AuthorizationServer, now: Instant) -> None:
    """Whom other workers have counted a wrong client secret for. Raises: Unavailable."""
    if not server.policy.allow_insecure_no_throttles:
        server.suspects.learn(await server.store.list_counted(CLIENT_SECRET, now, server.suspects.most))


def account_key(username: str) -> str:
    """A normalised username as throttles count it; the store holds no list of the names that were tried."""
    return digest_of(username)


def client_key(client_id: str) -> str:
    """One of 4096, so that invented client ids do not fill the store."""
    return digest_of(client_id)[:2]


def caller_key(client_id: str, peer: str) -> str:
    """A client at an address, for what anybody can do in a client's name."""
    return f"{client_key(client_id)} {address_key(peer)}"


@lru_cache(1024)
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
