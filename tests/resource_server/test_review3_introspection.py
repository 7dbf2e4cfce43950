"""Introspection answers in providers' words: where RFC 7662 has a word of its own, that counts."""

from typing import Any

import pytest

from proofkey.protocol.client_assertion import OutgoingClient
from proofkey.protocol.text import ClientId, Instant, Secret
from proofkey.resource_server.introspection import build_introspection_rules, read_introspected
from proofkey.resource_server.protected_resource import build_policy
from proofkey.testing.personas import PERSONAS

NOW = Instant(1_800_000_000)
CLIENT = OutgoingClient(client_id=ClientId("api"), secret=Secret("q7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRiTyWo0"))
ANSWER: dict[str, Any] = {
    "active": True,
    "scope": "orders:read orders:write",
    "sub": "ann",
    "client_id": "app",
    "aud": "api",
    "token_type": "Bearer",
    "exp": NOW + 60,
    "username": "ann",
    "uid": "00u1",
    "tid": "t",
    "oid": "o",
}


@pytest.mark.spec("7662-2.2")
@pytest.mark.parametrize("name", PERSONAS)
def test_scope_and_person_are_read_from_the_standard_s_members(name: str) -> None:
    persona = PERSONAS[name]
    policy = build_policy(persona.issuer, "api", dialect=persona.dialect)
    token = read_introspected(ANSWER, build_introspection_rules(policy, CLIENT), NOW)
    assert token.scope == ("orders:read", "orders:write")
    assert not token.is_client_only


@pytest.mark.parametrize(("name", "scp"), [("entra", "orders:read"), ("okta", ["orders:read"])])
def test_the_provider_s_own_word_counts_where_the_standard_s_is_missing(name: str, scp: object) -> None:
    persona = PERSONAS[name]
    policy = build_policy(persona.issuer, "api", dialect=persona.dialect)
    answer = {name: value for name, value in ANSWER.items() if name != "scope"} | {"scp": scp}
    assert read_introspected(answer, build_introspection_rules(policy, CLIENT), NOW).scope == ("orders:read",)
