from collections.abc import Sequence

import pytest

from proofkey.errors import ConfigurationError, InsufficientRole, InsufficientScope, InvalidToken, UserNeeded
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.resource_server.protected_resource import (
    build_policy,
    check_roles,
    check_scope,
    check_user,
    read_token,
)
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer


def token(*, scope: str = "", roles: Sequence[str] = (), sub: str = "u1", client_id: str = "app") -> AccessToken:
    return AccessToken(
        iss=Issuer(ISSUER),
        sub=Subject(sub),
        aud=(AUDIENCE,),
        client_id=ClientId(client_id),
        exp=Instant(10),
        iat=Instant(1),
        jti="j",
        scope=tuple(scope.split()),
        roles=tuple(roles),
        is_client_only=sub == client_id,
    )


@pytest.mark.spec("6750-3-a")
@pytest.mark.parametrize(
    ("granted", "needed"),
    [("a b c", ["a"]), ("a b", ["b", "a"]), ("a", []), ("", []), ("orders:read", ["orders:read"])],
)
def test_a_token_with_every_scope_passes(granted: str, needed: list[str]) -> None:
    check_scope(token(scope=granted), needed)


@pytest.mark.spec("6750-3-a", "MCP26-scopes")
@pytest.mark.parametrize(
    ("granted", "needed", "missing"),
    [
        ("", ["a"], "a"),
        ("orders:read2", ["orders:read"], "orders:read"),
        ("orders:readorders", ["orders:read"], "orders:read"),
        ("Orders:Read", ["orders:read"], "orders:read"),
        ("a", ["a", "b", "c"], "b c"),
        ("orders", ["orders:read"], "orders:read"),
    ],
)
def test_scopes_are_compared_as_whole_values(granted: str, needed: list[str], missing: str) -> None:
    with pytest.raises(InsufficientScope) as caught:
        check_scope(token(scope=granted), needed)
    assert caught.value.scope == tuple(needed)
    assert caught.value.facts["missing"] == missing


@pytest.mark.spec("RFC 9068 §2.2.3.1")
def test_one_of_the_roles_is_enough() -> None:
    check_roles(token(roles=["user", "auditor"]), ["admin", "auditor"])


@pytest.mark.parametrize("roles", [[], ["Admin"], ["administrator"], ["adm"]])
def test_without_the_role_the_refusal_names_what_was_needed(roles: list[str]) -> None:
    with pytest.raises(InsufficientRole) as caught:
        check_roles(token(roles=roles), ["admin"])
    assert caught.value.description == "The user lacks a role that this operation needs: admin."
    assert caught.value.facts["had"] == " ".join(roles)


def test_no_role_at_all_lets_nobody_in() -> None:
    with pytest.raises(InsufficientRole):
        check_roles(token(roles=["admin"]), [])


@pytest.mark.spec("9068-2.2", "V10-10.3.3")
def test_a_clients_own_token_is_no_user() -> None:
    check_user(token())
    with pytest.raises(UserNeeded):
        check_user(token(sub="job", client_id="job"))


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
