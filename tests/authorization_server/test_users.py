"""Configured users: hashed once, kept in step with the configuration, disabled by the store alone."""

from dataclasses import replace

import pytest

from proofkey.authorization_server.accounts.users import (
    check_subject,
    check_username,
    normalise_username,
    put_configured_user,
)
from proofkey.authorization_server.policy import ConfiguredUser
from proofkey.authorization_server.records import AuditEvent
from proofkey.errors import ConfigurationError, InvalidGrant
from proofkey.protocol.text import Secret, Subject
from tests.authorization_server.driver import POLICY, USERS, Desk, Visitor, open_desk


async def _again(desk: Desk, *users: ConfiguredUser) -> Desk:
    """A restart on the same store."""
    return await open_desk(replace(POLICY, users=users), store=desk.store, clock=desk.clock)


async def test_a_restart_hashes_nothing_and_ends_nothing(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk)
    again = await _again(desk, *USERS)
    assert again.passwords.hashed == 0
    assert await again.refresh(tokens["refresh_token"])


async def test_a_changed_password_is_hashed_and_ends_what_was(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk)
    desk.clock.turn(5)
    again = await _again(desk, replace(USERS[0], password=Secret("another password")))
    assert again.passwords.hashed == 1
    with pytest.raises(InvalidGrant):
        await again.refresh(tokens["refresh_token"])
    newcomer = Visitor(again.core)
    id_, _ = await newcomer.page("first")
    assert (await newcomer.log_in(id_, "ann", "another password")).cookies.sign_in


async def test_changed_roles_and_claims_are_taken_over_and_end_nothing(desk: Desk, visitor: Visitor) -> None:
    tokens = await visitor.tokens(desk)
    again = await _again(desk, replace(USERS[0], roles=("auditor",), claims={"name": "Ann B."}))
    claims = await again.userinfo(tokens["access_token"])
    assert (claims["roles"], claims["name"]) == (["auditor"], "Ann B.")
    assert await again.refresh(tokens["refresh_token"])


async def test_a_user_who_was_disabled_stays_disabled(desk: Desk) -> None:
    event = AuditEvent(at=desk.clock.now(), name="user.disabled")
    await desk.store.disable_user(Subject("u1"), desk.clock.now(), event)
    again = await _again(desk, replace(USERS[0], roles=("auditor",)))
    user = await again.store.find_user(Subject("u1"))
    assert user is not None
    assert user.disabled


@pytest.mark.spec("OC-sub")
async def test_without_a_sub_one_is_made_and_kept(desk: Desk) -> None:
    carl = ConfiguredUser(username="Carl", password=Secret("a password"))
    first = await (await _again(desk, carl)).store.find_username("carl")
    second = await (await _again(desk, carl)).store.find_username("carl")
    assert first == second
    assert first is not None
    assert len(first.sub) == 22


@pytest.mark.spec("OC-sub")
async def test_a_deleted_users_sub_is_never_used_again(desk: Desk) -> None:
    event = AuditEvent(at=desk.clock.now(), name="user.deleted")
    await desk.store.delete_user(Subject("u1"), desk.clock.now(), event)
    with pytest.raises(ConfigurationError):
        await put_configured_user(desk.core._role, USERS[0], desk.clock.now())


@pytest.mark.spec("V7-7.4")
async def test_a_configured_user_who_was_deleted_stays_deleted_and_keeps_no_worker_from_starting(
    desk: Desk,
) -> None:
    event = AuditEvent(at=desk.clock.now(), name="user.deleted")
    await desk.store.delete_user(Subject("u1"), desk.clock.now(), event)
    again = await _again(desk, *USERS)
    assert await again.store.find_user(Subject("u1")) is None
    assert await again.store.find_user(Subject("u2")) is not None


@pytest.mark.spec("9700-4.15-a")
async def test_a_sub_is_no_client_id(desk: Desk) -> None:
    with pytest.raises(ConfigurationError):
        await _again(desk, replace(USERS[0], sub=Subject("robot")))
    user = ConfiguredUser(username="dora", password=Secret("a password"), sub=Subject("robot"))
    role = desk.core._role
    with pytest.raises(ConfigurationError):
        await put_configured_user(role, user, desk.clock.now())


async def test_a_username_belongs_to_one_user(desk: Desk) -> None:
    with pytest.raises(ConfigurationError):
        await _again(desk, *USERS, ConfiguredUser(username="ANN", password=Secret("x"), sub=Subject("u3")))


def test_usernames_have_one_form() -> None:
    assert normalise_username("  \u00c5ngstr\u00f6m ") == normalise_username("A\u030angstro\u0308m")
    for name in ("ann", "ann@op.test", "straße".casefold()):
        check_username(name)
    for name in ("", "Ann", " ann", "a\nb", "x" * 256):
        with pytest.raises(ConfigurationError):
            check_username(name)


@pytest.mark.parametrize("sub", ["", "x" * 256, "é", "a\tb"])
def test_a_subject_is_printable_ascii(sub: str) -> None:
    check_subject(Subject("x" * 255))
    with pytest.raises(ConfigurationError):
        check_subject(Subject(sub))
