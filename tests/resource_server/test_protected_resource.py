from collections.abc import Sequence

import pytest

from proofkey.errors import ConfigurationError, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.key_set import KeySet
from proofkey.resource_server.protected_resource import (
    build_policy,
    read_token,
)
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer


@pytest.mark.spec("8725b-3.9-a", "X-failclosed")
@pytest.mark.parametrize("audience", ["", " ", (), [""], ["https://api.test", ""]])
def test_there_is_no_policy_without_an_audience(audience: str | Sequence[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_policy(ISSUER, audience)
    assert caught.value.finding is Finding.CONFIG_MISSING
    assert "audience=" in str(caught.value)


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize("issuer", ["http://id.example", "ftp://id.example", "id.example", "", "https://a?b"])
def test_an_issuer_that_is_not_https_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigurationError):
        build_policy(issuer, AUDIENCE)


@pytest.mark.parametrize("issuer", ["http://localhost:9000", "http://127.0.0.1:1", "https://acme.eu.auth0.com/"])
def test_loopback_and_a_trailing_slash_are_fine(issuer: str) -> None:
    assert build_policy(issuer, AUDIENCE).issuer == issuer


@pytest.mark.spec("8725b-3.1-b")
@pytest.mark.parametrize("algorithms", [[], ["none"], ["HS256"], ["RS256", "HS256"], ["rs256"]])
def test_only_asymmetric_algorithms_can_be_allowed(algorithms: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        build_policy(ISSUER, AUDIENCE, algorithms=algorithms)


@pytest.mark.parametrize("leeway", [-1, 61])
def test_the_leeway_has_bounds(leeway: int) -> None:
    with pytest.raises(ConfigurationError):
        build_policy(ISSUER, AUDIENCE, leeway=leeway)


@pytest.mark.spec("8725b-3.1-b", "RFC 9068 §4")
def test_a_policys_algorithms_rule() -> None:
    clock = TurnedClock()
    issuer = LocalIssuer(clock=clock)
    keys = KeySet([key.verification_key for key in issuer.keys])
    made = issuer.token_for(scope="a b", roles=["admin"])
    read = read_token(made, keys, build_policy(ISSUER, AUDIENCE), clock.now())
    assert (read.sub, read.scope, read.roles) == ("u1", ("a", "b"), ("admin",))
    with pytest.raises(InvalidToken) as caught:
        read_token(made, keys, build_policy(ISSUER, AUDIENCE, algorithms=["PS256"]), clock.now())
    assert caught.value.finding is Finding.TOKEN_ALGORITHM
