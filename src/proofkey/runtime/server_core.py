"""The authorization server at work: the role, a store, a clock, keys; one method per endpoint."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from anyio.lowlevel import checkpoint

from proofkey.authorization_server.accounts.directory import store_with_people
from proofkey.authorization_server.accounts.users import put_configured_user
from proofkey.authorization_server.answers import Answer, Browser
from proofkey.authorization_server.endpoints import (
    authorize,
    device,
    device_authorization,
    end_session,
    interaction,
    introspect,
    par,
    register,
    revoke,
    token,
    userinfo,
)
from proofkey.authorization_server.hooks import NO_HOOKS, Hooks
from proofkey.authorization_server.keys import KeyRing
from proofkey.authorization_server.known_device import KnownDevices
from proofkey.authorization_server.metadata import build_metadata
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.registration import check_registration
from proofkey.authorization_server.registration_openid import algorithms_of
from proofkey.authorization_server.role import AuthorizationServer, Passwords
from proofkey.authorization_server.sector import find_sectors
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.authorization_server.signer import RemoteKey, Signer
from proofkey.authorization_server.stores import ServerStore
from proofkey.authorization_server.subject import Subjects
from proofkey.authorization_server.throttles import learn_suspects
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Transport
from proofkey.protocol.jose import SigningAlgorithm, SigningKey
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant, Pairs, Secret, Subject, encode_base64url
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.dpop_nonce import DpopNonces
from proofkey.runtime.entropy import Entropy
from proofkey.runtime.foreign_documents import ForeignDocuments
from proofkey.runtime.logout_sender import LogoutSender
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_keys import ServerKeys
from proofkey.store.memory.replay import MemoryReplay
from proofkey.store.sealed import Sealer
from proofkey.transport.foreign import ForeignTransport

KEYS_LIVE: Final = 1.0
"""Seconds: how soon a worker sees keys that another process made."""
SEALER_LABEL: Final = "signing keys"
MAC_LABEL: Final = "refresh tokens"
NONCES_LABEL: Final = "dpop nonces of the server"
SUBJECTS_LABEL: Final = "pairwise subjects"
DEVICES_LABEL: Final = "known devices"


class ServerCore:
    """One per worker. `start` first; every endpoint answers or raises a ProofkeyError for `web` to render."""

    __slots__ = (
        "_clock",
        "_entropy",
        "_keys",
        "_loaded_at",
        "_logouts",
        "_metadata",
        "_role",
        "foreign",
        "policy",
        "store",
    )

    def __init__(
        self,
        policy: Policy,
        store: ServerStore,
        *,
        clock: Clock,
        entropy: Entropy,
        master_key: MasterKey,
        passwords: Passwords,
        opened: KeyRing | None = None,
        replays: ReplayMemory | None = None,
        foreign: Transport | None = None,
        hooks: Hooks = NO_HOOKS,
        signer: Signer | None = None,
    ) -> None:
        """`opened` holds keys of the same store that are open already: opening an RSA key takes 0.3 s. `replays`
        remembers what is used once for all processes that share the store; without it, for this one alone.
        `foreign` sends to URLs that clients name; without it one that takes no private address. `hooks` are the
        application's; `signer` has the private keys, if the store does not.

        Raises: ConfigurationError when people are kept elsewhere and configured too.
        """
        if hooks.people is not None:
            if policy.users:
                key, reason = "server.users", "the application has its own user store"
                raise ConfigurationError(Finding.CONFIG_VALUE, key=key, reason=reason)
            store = store_with_people(store, hooks.people)
        self.policy: Final = policy
        self.store: Final = store
        self.foreign: Final[Transport] = foreign or ForeignTransport()
        self._clock = clock
        self._entropy = entropy
        self._keys = ServerKeys(store, server_sealer(master_key), policy, clock, signer)
        self._metadata = build_metadata(policy)
        self._loaded_at: float | None = None
        self._logouts = LogoutSender(self._ready, self.foreign, clock)
        self._role = AuthorizationServer(
            policy=policy,
            store=store,
            keys=opened or KeyRing(),
            sign=self._keys.sign,
            passwords=passwords,
            entropy=entropy,
            mac_key=master_key.derive(MAC_LABEL),
            replays=replays or MemoryReplay(),
            nonces=server_nonces(master_key) if policy.dpop_nonces else None,
            subjects=Subjects(master_key.derive(SUBJECTS_LABEL)),
            devices=KnownDevices(master_key.derive(DEVICES_LABEL)),
            make_key=self._make_key,
            documents=ForeignDocuments(self.foreign, clock),
            tell_clients=self._logouts.tell,
            hooks=hooks,
        )

    async def start(self) -> None:
        """Signing keys at the first start; configured clients and users into the store. Several workers may start
        at once.

        Raises: ConfigurationError; Unavailable when the store cannot be had.
        """
        now = self._clock.now()
        await self._keys.make_first()
        await self._load_keys()
        for client in self.policy.clients:
            await self._put_client(client, now)
        for user in self.policy.users:
            try:
                await put_configured_user(self._role, user, now)
            except ConfigurationError as error:
                if error.finding is not Finding.SUBJECT_RETIRED:
                    raise
                events.refused("users.configured_but_deleted", error)  # who was deleted stays so; others sign in
        await self.upkeep()

    async def upkeep(self) -> None:
        """One round: keys are announced and retired when it is time, and what is over is deleted in batches."""
        now = self._clock.now()
        await self._keys.rotate()
        await self._load_keys()
        while await self.store.purge(now):
            await checkpoint()  # a store need not wait: requests go on between two batches

    async def deliver_logouts(self) -> None:
        """Tells clients of sign-ins that have ended, whoever ended them, until it is cancelled."""
        await self._logouts.run()

    # --- documents ------------------------------------------------------------

    def metadata(self) -> Mapping[str, Any]:
        """OpenID Discovery §3 and RFC 8414 §2: the same object until an algorithm comes or goes."""
        return self._metadata

    def jwks(self) -> Mapping[str, Any]:
        """The JWK Set; the same object until it changes."""
        return self._role.keys.document

    # --- endpoints ------------------------------------------------------------

    async def authorize(self, pairs: Pairs, browser: Browser) -> Answer:
        return await authorize.authorize(await self._ready(), pairs, browser, self._clock.now())

    async def interaction(self, id_: str, browser: Browser) -> Answer:
        return await interaction.show(await self._ready(), id_, browser, self._clock.now())

    async def sign_in(self, id_: str, pairs: Pairs, browser: Browser) -> Answer:
        return await interaction.sign_in(await self._ready(), id_, pairs, browser, self._clock.now())

    async def consent(self, id_: str, pairs: Pairs, browser: Browser) -> Answer:
        return await interaction.consent(await self._ready(), id_, pairs, browser, self._clock.now())

    async def push(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented = NOTHING
    ) -> Answer:
        return await par.push(await self._ready(), pairs, authorization, peer, self._clock.now(), presented)

    async def authorize_device(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented = NOTHING
    ) -> Answer:
        role, now = await self._ready(), self._clock.now()
        return await device_authorization.authorize_device(role, pairs, authorization, peer, now, presented)

    async def device(self, pairs: Pairs) -> Answer:
        return device.enter(await self._ready(), pairs)

    async def enter_user_code(self, pairs: Pairs, browser: Browser) -> Answer:
        return await device.submit(await self._ready(), pairs, browser, self._clock.now())

    async def token(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented = NOTHING
    ) -> Answer:
        return await token.token(await self._ready(), pairs, authorization, peer, self._clock.now(), presented)

    async def revoke(
        self, pairs: Pairs, authorization: tuple[str, ...], peer: str, presented: Presented = NOTHING
    ) -> Answer:
        return await revoke.revoke(await self._ready(), pairs, authorization, peer, self._clock.now(), presented)

    async def introspect(
        self,
        pairs: Pairs,
        authorization: tuple[str, ...],
        peer: str,
        presented: Presented = NOTHING,
        *,
        signed: bool = False,
    ) -> Answer:
        role, now = await self._ready(), self._clock.now()
        return await introspect.introspect(role, pairs, authorization, peer, now, presented, signed=signed)

    async def userinfo(
        self, authorization: tuple[str, ...], pairs: Pairs, presented: Presented = NOTHING, method: str = "GET"
    ) -> Answer:
        role, now = await self._ready(), self._clock.now()
        return await userinfo.userinfo(role, authorization, pairs, now, presented, method)

    async def register(self, document: Mapping[str, Any], authorization: tuple[str, ...], peer: str) -> Answer:
        return await register.register(await self._ready(), document, authorization, peer, self._clock.now())

    async def registration(
        self,
        method: str,
        client_id: str,
        document: Mapping[str, Any],
        authorization: tuple[str, ...],
        peer: str,
    ) -> Answer:
        """`method` is PUT with a document, DELETE, or GET for all others."""
        role, now = await self._ready(), self._clock.now()
        if method == "PUT":
            return await register.update(role, client_id, document, authorization, peer, now)
        if method == "DELETE":
            return await register.delete(role, client_id, authorization, peer, now)
        return await register.read(role, client_id, authorization, peer, now)

    async def end_session(self, pairs: Pairs, browser: Browser) -> Answer:
        return await end_session.end_session(await self._ready(), pairs, browser, self._clock.now())

    async def confirm_end_session(self, id_: str, pairs: Pairs, browser: Browser) -> Answer:
        return await end_session.confirm_end_session(await self._ready(), id_, pairs, browser, self._clock.now())

    # --- keys ------------------------------------------------------------

    async def refresh_keys(self) -> None:
        """Reads the keys again if they were read more than a second ago; the old ones stand while the store cannot
        be had, or holds a key that another master key has sealed. Likewise whom other workers suspect."""
        moment = self._clock.monotonic()
        if self._loaded_at is not None and moment - self._loaded_at < KEYS_LIVE:
            return
        self._loaded_at = moment  # first, so that one request reads and the others go on
        try:
            await self._load_keys()
        except (Unavailable, ConfigurationError) as error:
            events.refused("keys.not_read", error)
            return
        try:
            await learn_suspects(self._role, self._clock.now())
        except Unavailable as error:
            events.refused("throttles.not_read", error)

    async def _ready(self) -> AuthorizationServer:
        await self.refresh_keys()
        return self._role

    async def _load_keys(self) -> None:
        before = self._role.keys
        keys = await self._keys.read(before)
        self._loaded_at = self._clock.monotonic()
        if keys is not before:
            self._role = replace(self._role, keys=keys)
            if keys.algorithms != before.algorithms:
                self._metadata = build_metadata(self.policy, keys.algorithms)

    async def _make_key(self, algorithm: SigningAlgorithm) -> SigningKey | RemoteKey:
        try:
            await self._keys.ensure((algorithm,))
        except ConfigurationError as error:
            raise Unavailable(Finding.SIGNER_AWAY, algorithm=algorithm, reason="no such key") from error
        await self._load_keys()
        return self._role.keys.signing_key(algorithm)

    async def _put_client(self, client: ClientRegistration, now: Instant) -> None:
        """Whether the client is disabled is the store's to say. Raises: ConfigurationError; Unavailable."""
        before = await self.store.find_client(client.client_id)
        check_registration(client, self.policy.issuer, await self._sectors(client, before), self.policy)
        if client.client_id in {str(user.sub) for user in self.policy.users} or await self.store.find_user(
            Subject(client.client_id)
        ):
            raise ConfigurationError(
                Finding.CLIENT_METADATA_BAD,
                client_id=client.client_id,
                member="client_id",
                reason="a user's sub",
            )
        wanted = replace(client, disabled=before.disabled) if before else client
        if wanted != before:
            await self.store.put_client(wanted, now)
        if await self._keys.ensure(algorithms_of(client)):
            await self._load_keys()

    async def _sectors(self, client: ClientRegistration, before: ClientRegistration | None) -> frozenset[str]:
        """A sector whose document cannot be had stands if it stood before, for the same redirect URIs."""
        try:
            return await find_sectors(client, self.policy, self._role.documents)
        except Unavailable:
            named = client.sector_identifier_uri
            if named is None or before is None or before.sector_identifier_uri != named:
                raise
            if before.redirect_uris != client.redirect_uris:
                raise
            return self.policy.sector_identifier_uris | {named}


def server_nonces(master_key: MasterKey) -> DpopNonces:
    """The same ones in all workers and nodes with that master key."""
    return DpopNonces(Secret(encode_base64url(master_key.derive(NONCES_LABEL))))


def server_sealer(master_key: MasterKey) -> Sealer:
    """What seals signing keys in the store; for commands that work on the same store."""
    return Sealer(master_key.derive(SEALER_LABEL))
