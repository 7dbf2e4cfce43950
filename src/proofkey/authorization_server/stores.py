"""What the authorization server asks of a store. One contract suite runs over every implementation."""

from collections.abc import Sequence
from typing import Protocol

from proofkey.authorization_server.records import (
    NOBODY,
    AuditEvent,
    Authorization,
    Consent,
    DeviceAuthorization,
    DeviceStanding,
    Interaction,
    LogoutDelivery,
    OpaqueToken,
    PushedRequest,
    RegisteredClient,
    Sender,
    SignIn,
    SigningKeyRecord,
    SignInStanding,
    Standing,
    TokenStanding,
    User,
    Visit,
)
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Subject
from proofkey.protocol.throttle import Throttles


class Clients(Protocol):
    async def find_client(self, client_id: ClientId) -> ClientRegistration | None: ...

    async def put_client(self, client: ClientRegistration, now: Instant, event: AuditEvent | None = None) -> None:
        """Inserts or replaces by client_id."""
        ...

    async def list_clients(self) -> Sequence[ClientRegistration]: ...

    async def disable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        """Disables it; False when there is none. Its grants stop at once, by the decision function."""
        ...

    async def enable_client(self, client_id: ClientId, now: Instant, event: AuditEvent) -> bool:
        """Undoes `disable_client`; False when there is none."""
        ...


class Users(Protocol):
    async def find_user(self, sub: Subject) -> User | None: ...

    async def find_username(self, username: str) -> User | None:
        """By the username as it was normalised at creation."""
        ...

    async def put_user(self, user: User, now: Instant, event: AuditEvent | None = None) -> None:
        """Inserts or replaces by sub. Raises: ConfigurationError when the username belongs to another sub."""
        ...

    async def list_users(self) -> Sequence[User]: ...

    async def set_password(self, sub: Subject, password_hash: str, now: Instant, event: AuditEvent) -> bool:
        """A new password: ends the user's sign-ins and refresh families in the same transaction."""
        ...

    async def upgrade_password_hash(self, sub: Subject, old_hash: str, new_hash: str) -> bool:
        """Same password, stronger hash; only if the old hash is still there. Ends nothing."""
        ...

    async def disable_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        """Ends sign-ins and refresh families in the same transaction."""
        ...

    async def enable_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        """Undoes `disable_user`; what that ended stays ended. False when there is none."""
        ...

    async def delete_user(self, sub: Subject, now: Instant, event: AuditEvent) -> bool:
        """Ends everything of the user; the sub is kept as a tombstone and never reused."""
        ...

    async def end_user_sessions(self, sub: Subject, now: Instant, event: AuditEvent) -> int:
        """Ends sign-ins and refresh families; how many sign-ins."""
        ...


class SignIns(Protocol):
    async def insert_sign_in(self, sign_in: SignIn, event: AuditEvent) -> None: ...

    async def find_sign_in(self, digest: str) -> SignInStanding | None: ...

    async def find_visit(self, client_id: ClientId, digest: str | None) -> Visit:
        """The client; where there is one, the sign-in of that digest, and what its person allowed the client."""
        ...

    async def touch_sign_in(self, sid: str, now: Instant) -> None:
        """Moves `seen_at` forward, never back."""
        ...

    async def renew_sign_in(self, sid: str, digest: str, auth_time: Instant, event: AuditEvent) -> bool:
        """The same person signed in again in this browser: the row of a live `sid` takes the digest of a new
        handle (the old handle is dead from then on), `auth_time` and `seen_at`. False when it has ended."""
        ...

    async def end_sign_in(
        self, sid: str, now: Instant, event: AuditEvent, *, held_until: Instant | None = None
    ) -> bool:
        """True for one caller; revokes the sign-in's authorizations without offline_access in the same
        transaction, in which the logout deliveries of the sign-in become due as well: now, or with `held_until`
        when the caller that sends them first has not finished by then."""
        ...


class Consents(Protocol):
    async def find_consent(self, sub: Subject, client_id: ClientId) -> Consent | None: ...

    async def add_consent(self, consent: Consent, event: AuditEvent) -> None:
        """Adds to what was allowed before."""
        ...


class Interactions(Protocol):
    async def insert_interaction(self, interaction: Interaction) -> None: ...

    async def find_interaction(self, digest: str) -> Interaction | None: ...

    async def mark_signed_in(self, digest: str, now: Instant) -> None: ...

    async def mark_shown(self, digest: str, shown: str) -> None:
        """What the consent page says from now on."""
        ...

    async def use_interaction(self, digest: str, now: Instant) -> bool:
        """True for exactly one caller, however many ask at once."""
        ...


class PushedRequests(Protocol):
    async def insert_pushed_request(self, pushed: PushedRequest) -> None: ...

    async def find_pushed_request(self, digest: str) -> PushedRequest | None: ...

    async def use_pushed_request(self, digest: str, now: Instant) -> bool:
        """True for exactly one caller, however many ask at once."""
        ...


class DeviceAuthorizations(Protocol):
    async def insert_device_authorization(self, device: DeviceAuthorization, event: AuditEvent) -> bool:
        """False when another row has that user code."""
        ...

    async def find_device_code(self, digest: str) -> DeviceStanding | None:
        """By the digest of the device code, read in one statement."""
        ...

    async def find_user_code(self, user_code_digest: str) -> DeviceAuthorization | None: ...

    async def poll_device_code(self, digest: str, now: Instant) -> bool:
        """True when the interval has passed since it was asked for last, give or take a second; else the interval
        grows by 5 seconds. `polled_at` is `now` either way."""
        ...

    async def decide_device_code(
        self, digest: str, now: Instant, event: AuditEvent, authorization: Authorization | None = None
    ) -> bool:
        """True for exactly one caller while it waits and its code lives: allowed with that authorization, which is
        inserted in the same transaction; denied without one."""
        ...


class Authorizations(Protocol):
    async def insert_authorization(self, authorization: Authorization, event: AuditEvent) -> None: ...

    async def find_code(self, code_digest: str) -> Standing | None: ...

    async def find_authorization(self, id_: str) -> Standing | None: ...

    async def use_code(self, id_: str, now: Instant, event: AuditEvent, sender: Sender = NOBODY) -> bool:
        """True for exactly one caller: sets code_used_at and generation 1 where unused and not revoked, and binds
        the row to the sender where it was not bound before."""
        ...

    async def rotate(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
        sender: Sender = NOBODY,
    ) -> bool:
        """True for exactly one caller: generation → generation+1 where it is current and not revoked; binds the
        row to the sender where it was not bound before."""
        ...

    async def prolong(
        self,
        id_: str,
        generation: int,
        now: Instant,
        idle_expires_at: Instant,
        expires_at: Instant,
        event: AuditEvent,
        sender: Sender = NOBODY,
    ) -> bool:
        """As `rotate`, but the generation stays: True for every caller while it is current and not revoked."""
        ...

    async def revoke(self, id_: str, now: Instant, event: AuditEvent) -> bool:
        """True when it was live."""
        ...


class RegisteredClients(Protocol):
    """Clients that registered themselves. `find_client`, `list_clients`, `disable_client` and `enable_client` know
    them too; grants and consents need `keep_client` first."""

    async def insert_registered(self, registered: RegisteredClient, event: AuditEvent) -> None: ...

    async def find_registered(self, client_id: ClientId) -> RegisteredClient | None:
        """None for a client of the operator's as well."""
        ...

    async def replace_registered(
        self, client: ClientRegistration, token_digest: str, new_digest: str, now: Instant, event: AuditEvent
    ) -> bool:
        """True for exactly one caller with the current token: another registration, opened by another token."""
        ...

    async def delete_registered(
        self, client_id: ClientId, token_digest: str, now: Instant, event: AuditEvent
    ) -> bool:
        """True for exactly one caller with the current token. Where there were grants a disabled client without
        any member stays, for ever, so that they stop at once."""
        ...

    async def put_document_client(
        self, registered: RegisteredClient, now: Instant, event: AuditEvent | None
    ) -> None:
        """Inserts or replaces a client by what its own document says. One that is kept stays so, and one that is
        disabled too."""
        ...

    async def keep_client(self, client_id: ClientId, now: Instant) -> bool:
        """It is no longer forgotten, from the first consent on; False when it is none, or was deleted."""
        ...


class OpaqueTokens(Protocol):
    async def insert_opaque_token(self, token: OpaqueToken) -> None: ...

    async def find_opaque_token(self, digest: str) -> TokenStanding | None:
        """With its `row`, read in one statement."""
        ...

    async def revoke_opaque_token(self, token: OpaqueToken, now: Instant, event: AuditEvent) -> bool:
        """True for one caller. A token that has no row (a JWT) gets one that says that it is revoked."""
        ...


class LogoutDeliveries(Protocol):
    """Whatever ends a sign-in or everything of a user makes its rows due, in the transaction that ends it."""

    async def remember_logout(self, delivery: LogoutDelivery) -> None:
        """Inserts the row, or prolongs the one of that sign-in and client; due at once when the sign-in has ended
        meanwhile."""
        ...

    async def list_logouts(self, sid: str) -> Sequence[LogoutDelivery]:
        """What is left to send of a sign-in that has ended."""
        ...

    async def list_due_logouts(self, now: Instant, *, most: int, per_client: int) -> Sequence[LogoutDelivery]:
        """What is due, at most the oldest `per_client` of each client, first what was tried least: clients that do
        not answer keep nobody else waiting, however many they are."""
        ...

    async def claim_logout(self, delivery: LogoutDelivery, now: Instant, until: Instant) -> bool:
        """True for exactly one caller, which holds it (with one attempt more) until that instant."""
        ...

    async def postpone_logout(self, delivery: LogoutDelivery, next_at: Instant) -> bool:
        """Due again then; False when somebody else has taken it over."""
        ...

    async def finish_logout(self, delivery: LogoutDelivery, event: AuditEvent) -> bool:
        """Deletes the row; False when somebody else has taken it over."""
        ...


class SigningKeys(Protocol):
    async def list_signing_keys(self) -> Sequence[SigningKeyRecord]: ...

    async def insert_first_signing_keys(self, keys: Sequence[SigningKeyRecord], event: AuditEvent) -> bool:
        """Only if there is none at all: of several workers that start at once, one wins."""
        ...

    async def insert_signing_key(
        self, key: SigningKeyRecord, event: AuditEvent, *, unless_one_from: Instant | None = None
    ) -> bool:
        """With `unless_one_from` only when no other key of its algorithm is to sign after that instant: of several
        workers that rotate at once, one announces."""
        ...

    async def retire_signing_key(
        self, kid: str, retired_at: Instant, remove_at: Instant, event: AuditEvent
    ) -> None: ...


class Upkeep(Protocol):
    async def purge(self, now: Instant, *, batch: int = 500) -> int:
        """Deletes at most `batch` rows whose time is over; how many. Call until 0."""
        ...

    async def ping(self) -> None:
        """Raises: Unavailable."""
        ...

    async def aclose(self) -> None: ...


class ServerStore(
    Clients,
    Users,
    SignIns,
    Consents,
    Interactions,
    PushedRequests,
    RegisteredClients,
    DeviceAuthorizations,
    Authorizations,
    OpaqueTokens,
    LogoutDeliveries,
    SigningKeys,
    Throttles,
    Upkeep,
    Protocol,
):
    """Everything that the authorization server asks for."""
