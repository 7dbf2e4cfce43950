"""What a proven token allows: scopes and what includes them, roles, permissions, people, clients, sign-in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import (
    ClientNeeded,
    ConfigurationError,
    InsufficientPermission,
    InsufficientRole,
    InsufficientScope,
    InsufficientUserAuthentication,
    ProofkeyError,
    UserNeeded,
)
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken
from proofkey.protocol.text import ClientId, Instant, Issuer, Subject
from proofkey.resource_server.authorization import (
    build_granting,
    build_requirement,
    check_all_roles,
    check_client,
    check_permissions,
    check_requirement,
    check_roles,
    check_scope,
    check_sign_in,
    check_user,
    has_scope,
)
from proofkey.testing.issuer import AUDIENCE, ISSUER

NOW = Instant(1_800_000_000)


def token(
    *,
    scope: str = "",
    roles: Sequence[str] = (),
    permissions: Sequence[str] = (),
    sub: str = "u1",
    client_id: str = "app",
    auth_time: int | None = None,
    acr: str | None = None,
) -> AccessToken:
    return AccessToken(
        iss=Issuer(ISSUER),
        sub=Subject(sub),
        aud=(AUDIENCE,),
        client_id=ClientId(client_id),
        exp=Instant(NOW + 900),
        iat=NOW,
        jti="j",
        scope=tuple(scope.split()),
        roles=tuple(roles),
        permissions=tuple(permissions),
        auth_time=None if auth_time is None else Instant(auth_time),
        acr=acr,
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


@pytest.mark.spec("RFC 9068 §2.2.3.1")
@pytest.mark.parametrize("roles", [[], ["admin"], ["auditor"], ["admin auditor"]])
def test_all_roles_means_every_one(roles: list[str]) -> None:
    check_all_roles(token(roles=["auditor", "user", "admin"]), ["admin", "auditor"])
    with pytest.raises(InsufficientRole) as caught:
        check_all_roles(token(roles=roles), ["admin", "auditor"])
    assert caught.value.description == "The user lacks a role that this operation needs: admin and auditor."


@pytest.mark.parametrize("held", [[], ["read:order"], ["read:orders read:users"], ["Read:orders", "read:users"]])
def test_permissions_are_compared_as_whole_values_and_all_are_needed(held: list[str]) -> None:
    check_permissions(token(permissions=["x", "read:users", "read:orders"]), ["read:orders", "read:users"])
    with pytest.raises(InsufficientPermission) as caught:
        check_permissions(token(permissions=held), ["read:orders", "read:users"])
    expected = "The token lacks a permission that this operation needs: read:orders and read:users."
    assert caught.value.description == expected
    assert caught.value.facts["had"] == " ".join(held)


@pytest.mark.spec("9068-2.2", "V10-10.3.3")
def test_a_users_token_is_no_clients_own() -> None:
    check_client(token(sub="job", client_id="job"))
    with pytest.raises(ClientNeeded):
        check_client(token())


CHAIN = {"orders:admin": ["orders:write"], "orders:write": "orders:read", "root": ["orders:admin", "users:admin"]}


@pytest.mark.spec("MCP26-scopes")
@pytest.mark.parametrize(
    ("held", "needed", "passes"),
    [
        ("orders:admin", ["orders:read"], True),
        ("orders:admin", ["orders:write", "orders:read"], True),
        ("root", ["orders:read", "users:admin"], True),
        ("orders:write", ["orders:read"], True),
        ("orders:read", ["orders:write"], False),
        ("orders:write", ["orders:admin"], False),
        ("users:admin", ["orders:read"], False),
        ("orders", ["orders:read"], False),
        ("orders:admi", ["orders:read"], False),
        ("", ["orders:read"], False),
    ],
)
def test_a_scope_stands_for_those_that_it_includes(held: str, needed: list[str], passes: bool) -> None:
    granting = build_granting(CHAIN)
    holder = token(scope=held)
    assert all(has_scope(holder, scope, granting) for scope in needed) is passes
    if passes:
        check_scope(holder, needed, granting)
        return
    with pytest.raises(InsufficientScope) as caught:
        check_scope(holder, needed, granting)
    assert caught.value.scope == tuple(needed)
    assert caught.value.facts["had"] == held


@pytest.mark.spec("MCP26-scopes", "X-failclosed")
@pytest.mark.parametrize(
    "hierarchy",
    [
        {"a": ["a"]},
        {"a": ["b"], "b": ["a"]},
        {"a": ["b"], "b": ["c"], "c": ["d", "a"]},
        {"a": []},
        {"a": [""]},
        {"": ["b"]},
        {"a b": ["c"]},
        {"a": ["b c"]},
        {'a"': ["b"]},
    ],
    ids=str,
)
def test_a_hierarchy_that_cannot_be_is_refused_at_the_start(hierarchy: Mapping[str, Sequence[str]]) -> None:
    with pytest.raises(ConfigurationError):
        build_granting(hierarchy)


@pytest.mark.spec("MCP26-scopes")
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4)))
def test_a_hierarchy_is_what_walking_it_step_by_step_reaches(hierarchy: dict[str, list[str]]) -> None:
    reached: dict[str, set[str]] = {}
    for scope in "abcdef":
        seen: set[str] = set()
        step = set(hierarchy.get(scope, ()))
        while step - seen:
            seen |= step
            step = {name for found in seen for name in hierarchy.get(found, ())}
        reached[scope] = seen
    if any(scope in below for scope, below in reached.items()):
        with pytest.raises(ConfigurationError):
            build_granting(hierarchy)
        return
    granting = build_granting(hierarchy)
    for held in "abcdef":
        for needed in "abcdef":
            expected = held == needed or needed in reached[held]
            assert has_scope(token(scope=held), needed, granting) is expected


AGES = [
    (NOW - 100, 300, None),
    (NOW - 300, 300, None),
    (NOW - 310, 300, None),
    (NOW - 311, 300, Finding.SIGN_IN_TOO_OLD),
    (NOW - 86400, 300, Finding.SIGN_IN_TOO_OLD),
    (NOW, 0, None),
    (NOW - 11, 0, Finding.SIGN_IN_TOO_OLD),
    (None, 300, Finding.SIGN_IN_TIME_UNKNOWN),
    (NOW + 9, 300, None),
    (NOW + 11, 300, Finding.SIGN_IN_TIME_UNKNOWN),
    (None, None, None),
]


@pytest.mark.spec("9470-3-a", "V10-10.3.4")
@pytest.mark.parametrize(("auth_time", "max_age", "finding"), AGES)
def test_a_sign_in_is_as_young_as_asked(
    auth_time: int | None, max_age: int | None, finding: Finding | None
) -> None:
    holder = token(auth_time=auth_time)
    if finding is None:
        check_sign_in(holder, NOW, max_age=max_age)
        return
    with pytest.raises(InsufficientUserAuthentication) as caught:
        check_sign_in(holder, NOW, max_age=max_age, acr_values=("gold",))
    error = caught.value
    assert (error.finding, error.max_age, error.acr_values) == (finding, max_age, ("gold",))


@pytest.mark.spec("9470-3-a", "V10-10.3.4")
@pytest.mark.parametrize("acr", [None, "", "1", "GOLD", "gold silver", "goldx"])
def test_a_sign_in_is_as_strong_as_asked(acr: str | None) -> None:
    check_sign_in(token(acr="gold"), NOW, acr_values=("silver", "gold"))
    with pytest.raises(InsufficientUserAuthentication) as caught:
        check_sign_in(token(acr=acr), NOW, acr_values=("silver", "gold"))
    assert caught.value.finding is Finding.SIGN_IN_TOO_WEAK
    assert caught.value.max_age is None


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(
    "options",
    [
        {"roles": []},
        {"roles": ""},
        {"all_roles": ()},
        {"permissions": []},
        {"scopes": []},
        {"acr_values": [" "]},
        {"max_age": -1},
        {"max_age": True},
        {"user": True, "client": True},
        {"client": True, "max_age": 300},
    ],
    ids=str,
)
def test_a_requirement_that_asks_for_nothing_or_the_impossible_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        build_requirement(**options)


def test_a_single_name_is_a_list_of_one_and_never_its_letters() -> None:
    needs = build_requirement(roles="admin", permissions="read:orders", scopes="a")
    assert (needs.roles, needs.permissions, needs.scopes) == (("admin",), ("read:orders",), ("a",))


GOOD = token(scope="a", roles=["r", "s"], permissions=["p"], auth_time=NOW - 5, acr="gold")
EVERYTHING = build_requirement(
    scopes="a", roles="r", all_roles=["r", "s"], permissions="p", user=True, max_age=60, acr_values="gold"
)
SPOILT: dict[str, tuple[Callable[[AccessToken], AccessToken], type[ProofkeyError]]] = {
    "scope": (lambda good: replace(good, scope=()), InsufficientScope),
    "role": (lambda good: replace(good, roles=("s",)), InsufficientRole),
    "all roles": (lambda good: replace(good, roles=("r",)), InsufficientRole),
    "permission": (lambda good: replace(good, permissions=()), InsufficientPermission),
    "client": (lambda good: replace(good, is_client_only=True), UserNeeded),
    "age": (lambda good: replace(good, auth_time=None), InsufficientUserAuthentication),
    "acr": (lambda good: replace(good, acr=None), InsufficientUserAuthentication),
}


@pytest.mark.parametrize(("spoil", "error"), SPOILT.values(), ids=SPOILT)
def test_every_part_of_a_requirement_has_to_hold(
    spoil: Callable[[AccessToken], AccessToken], error: type[ProofkeyError]
) -> None:
    check_requirement(GOOD, EVERYTHING, NOW)
    with pytest.raises(error):
        check_requirement(spoil(GOOD), EVERYTHING, NOW)


@pytest.mark.spec("9470-3-a")
def test_a_new_sign_in_is_not_asked_for_where_it_would_not_help() -> None:
    with pytest.raises(InsufficientRole):
        check_requirement(replace(GOOD, roles=(), auth_time=None), EVERYTHING, NOW)
    with pytest.raises(UserNeeded):
        check_requirement(replace(GOOD, is_client_only=True, auth_time=None), build_requirement(max_age=5), NOW)
