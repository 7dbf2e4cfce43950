"""What a session says of the person."""

from typing import Any

import pytest

from proofkey.client.session import Session, SessionTokens
from proofkey.protocol.text import Instant, Issuer, Secret, Subject
from tests.client.login_kit import ISSUER


def session(claims: dict[str, Any]) -> Session:
    return Session(
        id="s",
        issuer=Issuer(ISSUER),
        sub=Subject("u1"),
        claims=claims,
        created_at=Instant(1),
        seen_at=Instant(1),
        absolute_expires_at=Instant(2),
        tokens=SessionTokens(access_token=Secret("at"), access_expires_at=None, scope=("openid",)),
    )


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ann", "email": "ann@op.test"}, "Ann"),
        ({"preferred_username": "ann", "email": "ann@op.test"}, "ann"),
        ({"name": "", "email": "ann@op.test"}, "ann@op.test"),
        ({"name": 7}, "u1"),
        ({}, "u1"),
    ],
)
def test_the_person_is_called(claims: dict[str, Any], name: str) -> None:
    assert session(claims).name == name


@pytest.mark.parametrize(
    ("roles", "read"),
    [(["admin", "staff"], ("admin", "staff")), (["admin", 7], ("admin",)), ("admin", ()), (None, ())],
)
def test_roles_are_a_list_of_strings(roles: object, read: tuple[str, ...]) -> None:
    assert session({"roles": roles}).roles == read


def test_the_scope_is_the_access_tokens_and_no_token_shows() -> None:
    assert session({}).scope == ("openid",)
    assert "at'" not in repr(session({}))
