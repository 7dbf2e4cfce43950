"""The pytest plugin: `clock`, `issuer`, `token_for`, `hostile_tokens`, `corpus_issuer`, `dpop_key`, `login_as`.

```python
def test_orders(token_for, issuer, clock):
    with issuer.stand_in_for(api):
        answer = client.get("/orders", headers=token_for(scope="orders:read"))
```
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # each fixture loads what it needs, so that a run without them costs nothing
    from proofkey.testing.api_check import HostileTokens
    from proofkey.testing.clock import TurnedClock
    from proofkey.testing.corpus_issuer import CorpusIssuer
    from proofkey.testing.dpop import DpopKey
    from proofkey.testing.issuer import LocalIssuer
    from proofkey.testing.session import LoginAs
    from proofkey.testing.tokens_for import TokensFor


@pytest.fixture
def clock() -> "TurnedClock":
    """Stands still until `clock.turn(seconds)`."""
    from proofkey.testing.clock import TurnedClock

    return TurnedClock()


@pytest.fixture
def issuer(clock: "TurnedClock") -> "LocalIssuer":
    """An issuer in this process, on the turned clock; `issuer.stand_in_for(api)` makes a `Protect` trust it."""
    from proofkey.testing.issuer import LocalIssuer

    return LocalIssuer(clock=clock)


@pytest.fixture
def token_for(issuer: "LocalIssuer") -> "TokensFor":
    """`token_for(scope="orders:read", roles=["admin"])` gives request headers with a fresh access token."""
    from proofkey.testing.tokens_for import TokensFor

    return TokensFor(issuer)


@pytest.fixture
def hostile_tokens(issuer: "LocalIssuer") -> "HostileTokens":
    """What no API may take: `hostile_tokens.check(client, "/orders", scope="orders:read")` sends it all and
    reports."""
    from proofkey.testing.api_check import HostileTokens

    return HostileTokens(issuer)


@pytest.fixture
def corpus_issuer() -> "Iterator[CorpusIssuer]":
    """An issuer with a real address, for an API that fetches keys: `HostileTokens(corpus_issuer).check(…)`."""
    from proofkey.testing.corpus_issuer import CorpusIssuer

    with CorpusIssuer() as issuer:
        yield issuer


@pytest.fixture
def dpop_key(clock: "TurnedClock") -> "DpopKey":
    """A client's DPoP key: `token_for(cnf=dpop_key.cnf)` is bound to it, `dpop_key.dpop_headers(…)` proves it."""
    from proofkey.testing.dpop import DpopKey

    return DpopKey(clock=clock)


@pytest.fixture
def login_as(issuer: "LocalIssuer") -> "LoginAs":
    """`login_as(login, sub="ann")` gives the cookie of a signed-in browser."""
    from proofkey.testing.session import LoginAs

    return LoginAs(issuer)
