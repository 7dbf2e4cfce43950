"""People who are kept elsewhere: their rows here are shadows; what counts is what the own user store says now."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from proofkey.authorization_server.accounts.users import check_subject
from proofkey.authorization_server.hooks import People, Person, person_of, read_person, read_verdict
from proofkey.authorization_server.records import AuditEvent, User
from proofkey.authorization_server.stores import ServerStore
from proofkey.errors import ConfigurationError, SignInFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.text import ClientId, Instant, Secret, Subject

NO_PASSWORD = "!"
"""In the shadow's row; no hash looks like it."""


def store_with_people(store: ServerStore, people: People) -> ServerStore:
    """The store, in whose every answer a user is who the own user store says it is now: so the one decision sees
    who was disabled, deleted or given another password, whatever asks it."""
    return cast("ServerStore", _StoreWithPeople(store, people))


async def is_password_of(people: People, user: User | None, password: Secret) -> bool:
    """Asked for nobody too, so that an unknown name takes the same time; then it is no. Raises: Unavailable."""
    right = read_verdict(await people.verify_password(None if user is None else person_of(user), password))
    return right and user is not None


async def keep_shadow(store: ServerStore, user: User, now: Instant) -> None:
    """The row that sign-ins and grants refer to, made at the first sign-in.

    Raises: SignInFailed when the `sub` cannot be one: malformed, a client's, or one that was deleted here.
    """
    try:
        check_subject(user.sub)
        if await store.find_user(user.sub) is not None:
            return
        if await store.find_client(ClientId(user.sub)):
            raise ConfigurationError(Finding.CONFIG_VALUE, key="sub", reason="it is a client_id")
        shadow = User(sub=user.sub, username=user.sub, password_hash=NO_PASSWORD, created_at=now)
        event = AuditEvent(at=now, name="user.shadow_made", sub=user.sub)
        await store.put_user(shadow, now, event)
    except ConfigurationError as error:
        raise SignInFailed(Finding.SIGN_IN_FAILED, reason=error.finding.id, sub=user.sub[:64]) from error


class _StoreWithPeople:
    """Passes everything on. A user in an answer, however deep, is replaced by the living one, or by None."""

    __slots__ = ("_people", "_store")

    def __init__(self, store: ServerStore, people: People) -> None:
        self._store = store
        self._people = people

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        method = getattr(self._store, name)

        async def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the method takes
            return await self._living(await method(*args, **options))

        return call if callable(method) else method

    async def find_username(self, username: str) -> User | None:
        """Whom the own user store knows by that name, whether they have signed in here before or not."""
        person = read_person(await self._people.find_by_username(username), "find_by_username")
        if person is None:
            return None
        shadow = await self._store.find_user(Subject(person.sub))
        return _user_of(person, shadow or User(sub=Subject(person.sub), username="", password_hash=NO_PASSWORD))

    async def _living(self, found: Any) -> Any:  # noqa: ANN401 - any answer of a store
        if isinstance(found, User):
            return await self._find(found)
        if not is_dataclass(found) or isinstance(found, type):
            return found
        values = {one.name: getattr(found, one.name) for one in fields(found)}
        living = {name: await self._living(value) for name, value in values.items() if is_dataclass(value)}
        changed = {name: value for name, value in living.items() if value is not values[name]}
        return replace(found, **changed) if changed else found

    async def _find(self, shadow: User) -> User | None:
        person = read_person(await self._people.find_by_sub(shadow.sub), "find_by_sub")
        if person is None:
            return None
        if person.sub != shadow.sub:
            raise Unavailable(Finding.HOOK_ANSWER, hook="users", method="find_by_sub", reason="another sub")
        return _user_of(person, shadow)


def _user_of(person: Person, shadow: User) -> User:
    """What was done to the shadow counts as well: `proofkey user disable` works for everybody."""
    return User(
        sub=Subject(person.sub),
        username=person.username,
        password_hash=NO_PASSWORD,
        roles=person.roles,
        claims=person.claims,
        disabled=person.disabled or shadow.disabled,
        created_at=shadow.created_at,
        password_changed_at=Instant(max(person.password_changed_at, shadow.password_changed_at)),
    )
