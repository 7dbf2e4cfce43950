"""`proofkey user`, on the store that a server has open."""

import json
from pathlib import Path

import pytest

from proofkey.authorization_server.accounts.users import normalise_username
from proofkey.authorization_server.throttles import SIGN_IN_BY_ACCOUNT, account_key
from proofkey.protocol.text import Instant, Secret, Subject
from proofkey.runtime.passwords import PasswordPool
from proofkey.store.sql import SqliteServerStore
from proofkey.testing.stores import (
    START,
    a_client,
    a_sign_in,
    a_user,
    an_authorization,
    an_event,
)
from tests.cli.admin.admin_kit import PASSWORD, Proofkey

# --- user --------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OC-sub", "N63-hash")
async def test_a_user_is_added_with_the_password_from_stdin(store: SqliteServerStore, proofkey: Proofkey) -> None:
    options = ["--role", "admin", "--role", "staff", "--email", "ann@op.test", "--name", "Ann Ä."]
    done = proofkey("user", "add", " Ann", *options, "--json", stdin=f"{PASSWORD}\n")
    user = await store.find_username("ann")
    assert user
    assert done.document == {"username": "ann", "sub": user.sub}
    assert (user.roles, user.claims) == (("admin", "staff"), {"name": "Ann Ä.", "email": "ann@op.test"})
    assert len(user.sub) >= 22
    assert user.password_hash.startswith("$argon2id$")
    assert await PasswordPool().verify(user.password_hash, Secret(PASSWORD))
    assert PASSWORD not in done.out + done.err


async def test_a_password_may_come_from_a_file(
    store: SqliteServerStore, proofkey: Proofkey, tmp_path: Path
) -> None:
    (tmp_path / "password").write_bytes(f"{PASSWORD} \r\n".encode())
    proofkey("user", "add", "ann", "--password-file", str(tmp_path / "password"))
    user = await store.find_username("ann")
    assert user
    assert await PasswordPool().verify(user.password_hash, Secret(f"{PASSWORD} "))


async def test_a_made_password_is_printed_once(store: SqliteServerStore, proofkey: Proofkey) -> None:
    made = proofkey("user", "add", "ann", "--generate", "--json").document["password"]
    again = proofkey("user", "password", "ann", "--generate")
    user = await store.find_username("ann")
    assert user
    assert len(made) == 24
    assert not await PasswordPool().verify(user.password_hash, Secret(made))
    assert await PasswordPool().verify(user.password_hash, Secret(again.out.removeprefix("password ").strip()))


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        ("short", "USR-02"),
        ("x" * 1025, "USR-03"),
        ("passwordpassword", "USR-04"),
        ("ann-ann-ann-ann-ann", "USR-05"),
        ("login.acme.test1", "USR-05"),
        ("", "missing"),
        ("\n", "missing"),
        (b"\xff" * 20, "UTF-8"),
    ],
)
@pytest.mark.spec("N63-3.1.1.2-1", "N63-3.1.1.2-b")
async def test_a_bad_password_is_refused(
    store: SqliteServerStore, proofkey: Proofkey, stdin: str | bytes, words: str
) -> None:
    done = proofkey("user", "add", "ann", stdin=stdin)
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert await store.list_users() == []


async def test_a_username_is_taken_in_any_case(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await store.put_user(a_user(), START)
    done = proofkey("user", "add", "ANN", stdin=PASSWORD)
    assert done.status == 2
    assert "USR-10" in done.err


@pytest.mark.spec("V6-6.4.1")
async def test_a_new_password_signs_the_user_out(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event())
    assert proofkey("user", "password", "ann", stdin=PASSWORD).status == 0
    found = await store.find_sign_in(a_sign_in().digest)
    assert found
    assert found.sign_in.ended_at
    assert found.user
    assert await PasswordPool().verify(found.user.password_hash, Secret(PASSWORD))


@pytest.mark.spec("N63-3.2.2")
async def test_a_new_password_opens_an_account_that_was_closed_by_failures(
    store: SqliteServerStore, proofkey: Proofkey
) -> None:
    await store.put_user(a_user(), START)
    rule, key, now = SIGN_IN_BY_ACCOUNT, account_key("ann"), START
    for _ in range(rule.most):
        assert await store.take(rule, key, now) is None
        now = Instant(now + int(rule.longest))
    assert await store.take(rule, key, now) is not None
    assert proofkey("user", "password", "ann", stdin=PASSWORD).status == 0
    assert await store.take(rule, key, now) is None


@pytest.mark.parametrize(
    ("command", "word", "disabled"),
    [("disable", "disabled", True), ("sign-out", "signed out", False), ("delete", "deleted", None)],
)
@pytest.mark.spec("V7-7.4")
async def test_what_ends_a_users_sign_ins_and_grants(
    store: SqliteServerStore, proofkey: Proofkey, command: str, word: str, disabled: bool | None
) -> None:
    await store.put_client(a_client(), START)
    await store.put_user(a_user(), START)
    await store.insert_sign_in(a_sign_in(), an_event())
    await store.insert_authorization(an_authorization(scope=("offline_access",)), an_event())

    done = proofkey("user", command, "Ann", "--json")
    assert done.document == {"username": "ann", "sub": "sub-of-ann", "result": word}

    standing = await store.find_authorization("grant-1")
    assert standing
    assert standing.authorization.revoked_at
    assert standing.sign_in
    assert standing.sign_in.ended_at
    assert (standing.user.disabled if standing.user else None) is disabled


async def test_a_disabled_user_may_be_enabled(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await store.put_user(a_user(), START)
    proofkey("user", "disable", "ann")
    assert proofkey("user", "enable", "ann").status == 0
    assert await store.find_user(Subject("sub-of-ann")) == a_user()


async def test_every_change_of_a_user_is_in_the_audit_log(store: SqliteServerStore, proofkey: Proofkey) -> None:
    proofkey("user", "add", "ann", stdin=PASSWORD)
    for command in ("disable", "enable", "sign-out", "delete"):
        proofkey("user", command, "ann")
    rows = await store._database.all("SELECT name, detail FROM audit_events ORDER BY id")
    names = ["user.added", "user.disabled", "user.enabled", "user.signed_out", "user.deleted"]
    assert rows == [(name, '{"by":"command line"}') for name in names]


@pytest.mark.spec("threats §2 row 43")
async def test_everybody_is_signed_out_after_a_backup_was_restored(
    store: SqliteServerStore, proofkey: Proofkey
) -> None:
    await store.put_client(a_client(), START)
    for name in ("ann", "bob"):
        await store.put_user(a_user(name), START)
        sub, offline = Subject(f"sub-of-{name}"), ("offline_access",)
        sign_in = a_sign_in(f"sid of {name}", sub=sub)
        await store.insert_sign_in(sign_in, an_event())
        grant = an_authorization(f"grant of {name}", sub=sub, sid=sign_in.sid, scope=offline)
        await store.insert_authorization(grant, an_event())

    assert proofkey("user", "sign-out", "--all", "--json").document == {"users": "2", "result": "signed out"}

    for name in ("ann", "bob"):
        standing = await store.find_authorization(f"grant of {name}")
        assert standing
        assert standing.authorization.revoked_at
        assert standing.sign_in
        assert standing.sign_in.ended_at
        assert standing.user
        assert not standing.user.disabled


@pytest.mark.parametrize("words", [[], ["ann", "--all"]], ids=["nobody", "one and all"])
async def test_whom_to_sign_out_is_said_once(
    store: SqliteServerStore, proofkey: Proofkey, words: list[str]
) -> None:
    await store.put_user(a_user(), START)
    done = proofkey("user", "sign-out", *words)
    assert (done.status, done.out) == (2, "")
    assert await store._database.all("SELECT name FROM audit_events") == []


async def test_users_are_listed(store: SqliteServerStore, proofkey: Proofkey) -> None:
    await store.put_user(a_user(), START)
    await store.put_user(a_user("bob", roles=(), disabled=True), START)
    listed = proofkey("user", "list", "--json").document
    assert [(user["username"], user["roles"], user["disabled"]) for user in listed] == [
        ("ann", ["admin"], False),
        ("bob", [], True),
    ]
    assert "hash" not in json.dumps(listed)
    lines = proofkey("user", "list").out.splitlines()
    assert [line.split() for line in lines] == [
        ["USERNAME", "SUB", "ROLES", "STATE"],
        ["ann", "sub-of-ann", "admin", "active"],
        ["bob", "sub-of-bob", "-", "disabled"],
    ]


@pytest.mark.parametrize("command", ["disable", "enable", "delete", "sign-out", "password"])
async def test_an_unknown_user_is_said_to_be_unknown(
    store: SqliteServerStore, proofkey: Proofkey, command: str
) -> None:
    done = proofkey("user", command, "nobody", stdin=PASSWORD)
    assert (done.status, done.out) == (2, "")
    assert "USR-12" in done.err


@pytest.mark.parametrize("command", ["delete", "password"])
async def test_a_user_of_the_configuration_is_pointed_out(
    store: SqliteServerStore, proofkey: Proofkey, command: str
) -> None:
    await store.put_user(a_user(normalise_username("Configured")), START)
    done = proofkey("user", command, "configured", stdin=PASSWORD)
    assert "stands in the configuration too" in done.err
