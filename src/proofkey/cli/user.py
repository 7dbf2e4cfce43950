"""`proofkey user`: people with an account at the authorization server."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from proofkey.authorization_server.accounts.users import check_username, normalise_username
from proofkey.authorization_server.records import AuditEvent, User
from proofkey.authorization_server.stores import ServerStore
from proofkey.authorization_server.throttles import SIGN_IN_BY_ACCOUNT, account_key
from proofkey.cli.output import Json, new_app, print_data, print_json, say
from proofkey.cli.store_access import Config, on_store, print_table, shown_instant
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Secret, Subject
from proofkey.runtime.entropy import system_entropy
from proofkey.runtime.new_password import check_password
from proofkey.runtime.passwords import PasswordPool
from proofkey.runtime.settings import ServerSettings

app = new_app(help="Add, list, disable or delete users; also while the server runs.")

_LARGEST: Final = 64 * 1024
"""Bytes that are read of a password; the rule about its length has a lower limit."""

Username = Annotated[str, typer.Argument(metavar="USERNAME", help="As the person types it; case does not matter.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="Holds the password; else stdin.")
]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it, once.")]

Change = Callable[[ServerStore], Callable[[Subject, Instant, AuditEvent], Awaitable[object]]]
"""Which method of the store it is."""


@app.command()
def add(
    username: Username,
    role: Annotated[list[str] | None, typer.Option("--role", help="May be given several times.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="The claim `email`.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The claim `name`.")] = None,
    password_file: PasswordFile = None,
    generate: Generate = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Add a user; the password comes from stdin, from a file, or is made here."""
    username = normalise_username(username)
    check_username(username)
    password = _new_password(password_file, generate=generate)
    claims = {name: value for name, value in (("name", name), ("email", email)) if value is not None}

    async def work(store: ServerStore, settings: ServerSettings, now: Instant) -> User:
        if await store.find_username(username):
            raise ConfigurationError(Finding.USERNAME_TAKEN, username=username)
        user = User(
            sub=Subject(system_entropy()[:22]),
            username=username,
            password_hash=await _checked_hash(password, username, settings),
            roles=tuple(dict.fromkeys(role or ())),
            claims=claims,
            created_at=now,
            password_changed_at=now,
        )
        await store.put_user(user, now, _event("user.added", user.sub, now))
        return user

    user = on_store(config, work)
    document = {"username": user.username, "sub": user.sub}
    _print_result(document, password if generate else None, f"User {username} added.", as_json=json)


@app.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """List the users."""

    async def work(store: ServerStore, _settings: ServerSettings, _now: Instant) -> list[User]:
        return list(await store.list_users())

    users = on_store(config, work)
    if json:
        print_json([_document(user) for user in users])
        return
    rows = [
        (user.username, user.sub, " ".join(user.roles), "disabled" if user.disabled else "active")
        for user in users
    ]
    print_table(("USERNAME", "SUB", "ROLES", "STATE"), rows)
    say(f"{len(users)} users." if len(users) != 1 else "1 user.")


@app.command()
def disable(username: Username, config: Config = None, json: Json = False) -> None:
    """Refuse the user from now on; ends sign-ins and refresh families at once."""
    _change(config, username, "disabled", lambda store: store.disable_user, as_json=json)


@app.command()
def enable(username: Username, config: Config = None, json: Json = False) -> None:
    """Let a disabled user sign in again."""

    _change(config, username, "enabled", lambda store: store.enable_user, as_json=json)


@app.command()
def delete(username: Username, config: Config = None, json: Json = False) -> None:
    """Delete the user; ends everything at once. Only the sub is kept, so that it is never used again."""
    _change(config, username, "deleted", lambda store: store.delete_user, as_json=json)


@app.command("sign-out")
def sign_out(
    username: Annotated[str | None, typer.Argument(metavar="[USERNAME]", help="As the person types it.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Everybody: after a backup was restored.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """End the user's sign-ins and refresh families; the account stays."""
    if (username is None) is not everybody:
        raise typer.BadParameter("name one user, or say --all", param_hint="USERNAME")
    if username is not None:
        _change(config, username, "signed out", lambda store: store.end_user_sessions, as_json=json)
        return

    async def work(store: ServerStore, _settings: ServerSettings, now: Instant) -> int:
        users = await store.list_users()
        for user in users:
            await store.end_user_sessions(user.sub, now, _event("user.signed_out", user.sub, now))
        return len(users)

    count = on_store(config, work)
    _print_result({"users": str(count), "result": "signed out"}, None, f"{count} users signed out.", as_json=json)


@app.command()
def password(
    username: Username,
    password_file: PasswordFile = None,
    generate: Generate = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Set a new password; ends the user's sign-ins and refresh families at once."""
    new = _new_password(password_file, generate=generate)

    async def work(store: ServerStore, settings: ServerSettings, now: Instant) -> User:
        user = await _find(store, username)
        hashed = await _checked_hash(new, user.username, settings)
        await store.set_password(user.sub, hashed, now, _event("user.password_changed", user.sub, now))
        await store.reset(SIGN_IN_BY_ACCOUNT, account_key(user.username))
        _warn_configured(settings, user, "its password there is set again at the next start")
        return user

    user = on_store(config, work)
    document = {"username": user.username, "sub": user.sub, "result": "password changed"}
    _print_result(document, new if generate else None, f"{user.username}: password changed.", as_json=json)


def _change(config: Path | None, username: str, word: str, change: Change, *, as_json: bool) -> None:
    async def work(store: ServerStore, settings: ServerSettings, now: Instant) -> User:
        user = await _find(store, username)
        await change(store)(user.sub, now, _event(f"user.{word.replace(' ', '_')}", user.sub, now))
        if word == "deleted":
            _warn_configured(settings, user, "remove it there as well")
        return user

    user = on_store(config, work)
    document = {"username": user.username, "sub": user.sub, "result": word}
    _print_result(document, None, f"{user.username}: {word}.", as_json=as_json)


async def _find(store: ServerStore, username: str) -> User:
    user = await store.find_username(normalise_username(username))
    if user is None:
        raise ConfigurationError(Finding.USER_UNKNOWN, username=username[:64])
    return user


async def _checked_hash(password: Secret, username: str, settings: ServerSettings) -> str:
    """Raises: PasswordRefused."""
    check_password(password, username=username, service_name=urlsplit(settings.issuer).hostname or "")
    pool = PasswordPool(workers=1)
    try:
        return await pool.hash(password)
    finally:
        pool.close()


def _new_password(file: Path | None, *, generate: bool) -> Secret:
    """Made here, from the file, typed twice, or the whole of stdin but for the end of its line."""
    if generate:
        return Secret(system_entropy()[:24])
    if file is None and sys.stdin.isatty():
        return Secret(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    data = _read(file)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter("the password is not UTF-8", param_hint="--password-file") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        hint = "the password is missing; send it to stdin, or use --password-file or --generate"
        raise typer.BadParameter(hint)
    return Secret(text)


def _read(file: Path | None) -> bytes:
    if file is None:
        return sys.stdin.buffer.read(_LARGEST)
    with file.open("rb") as stream:
        return stream.read(_LARGEST)


def _event(name: str, sub: Subject, now: Instant) -> AuditEvent:
    return AuditEvent(at=now, name=name, sub=sub, detail={"by": "command line"})


def _warn_configured(settings: ServerSettings, user: User, what: str) -> None:
    if user.username in {normalise_username(one.username) for one in settings.users}:
        say(f"Note: {user.username} stands in the configuration too; {what}.")


def _document(user: User) -> dict[str, object]:
    return {
        "username": user.username,
        "sub": user.sub,
        "roles": list(user.roles),
        "claims": dict(user.claims),
        "disabled": user.disabled,
        "created_at": shown_instant(user.created_at),
    }


def _print_result(document: dict[str, str], password: Secret | None, text: str, *, as_json: bool) -> None:
    made = {"password": password.reveal()} if password else {}
    if as_json:
        print_json(document | made)
        return
    say(text)
    for name, value in made.items():
        print_data(f"{name} {value}")
