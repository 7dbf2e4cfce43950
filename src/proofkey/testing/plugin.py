"""The pytest plugin: `clock`, `issuer`, `token_for` and `login_as`.

```python
def test_orders(token_for, issuer, clock):
    with issuer.stand_in_for(api):
        answer = client.get("/orders", headers=token_for(scope="orders:read"))
```
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # each fixture loads what it needs, so that a run without them costs nothing
    from proofkey.testing.clock import TurnedClock
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
def login_as(issuer: "LocalIssuer") -> "LoginAs":
    """`login_as(login, sub="ann")` gives the cookie of a signed-in browser."""
    from proofkey.testing.session import LoginAs

    return LoginAs(issuer)
