"""The authorization server at work: the role, a store, a clock, keys; one method per endpoint."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from anyio import to_thread
from anyio.lowlevel import checkpoint

from proofkey.authorization_server.accounts.users import put_configured_user
from proofkey.authorization_server.answers import Answer, Browser
from proofkey.authorization_server.endpoints import (
    authorize,
    end_session,
    interaction,
    introspect,
    par,
    revoke,
    token,
    userinfo,
)
from proofkey.authorization_server.keys import FIRST, KeyRing, build_key_record, build_key_ring
from proofkey.authorization_server.metadata import build_metadata
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.records import AuditEvent
from proofkey.authorization_server.registration import check_registration
from proofkey.authorization_server.registration_openid import algorithms_of
from proofkey.authorization_server.role import AuthorizationServer, Passwords
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.authorization_server.stores import ServerStore
from proofkey.authorization_server.subject import Subjects
from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant, Pairs, Secret, Subject, encode_base64url
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.dpop_nonce import DpopNonces
from proofkey.runtime.entropy import Entropy
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_upkeep import ensure_keys, rotate_keys
from proofkey.store.memory.replay import MemoryReplay
from proofkey.store.sealed import Sealer

KEYS_LIVE: Final = 1.0
"""Seconds: how soon a worker sees keys that another process made."""
SEALER_LABEL: Final = "signing keys"
MAC_LABEL: Final = "refresh tokens"
NONCES_LABEL: Final = "dpop nonces of the server"
SUBJECTS_LABEL: Final = "pairwise subjects"


class ServerCore:
    """One per worker. `start` first; every endpoint answers or raises a ProofkeyError for `web` to render."""

    __slots__ = ("_clock", "_entropy", "_loaded_at", "_metadata", "_role", "_sealer", "policy", "store")

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
    ) -> None:
        """`opened` holds keys of the same store that are open already: opening an RSA key takes 0.3 s. `replays`
        remembers what is used once for all processes that share the store; without it, for this one alone."""
        self.policy: Final = policy
        self.store: Final = store
        self._clock = clock
        self._entropy = entropy
        self._sealer = server_sealer(master_key)
        self._metadata = build_metadata(policy)
        self._loaded_at: float | None = None
        self._role = AuthorizationServer(
            policy=policy,
            store=store,
            keys=opened or KeyRing(),
            sign=sign,
            passwords=passwords,
            entropy=entropy,
            mac_key=master_key.derive(MAC_LABEL),
            replays=replays or MemoryReplay(),
            nonces=server_nonces(master_key) if policy.dpop_nonces else None,
            subjects=Subjects(master_key.derive(SUBJECTS_LABEL)),
            make_key=self._make_key,
        )

    async def start(self) -> None:
        """Signing keys at the first start; configured clients and users into the store. Several workers may start
        at once.

        Raises: ConfigurationError; Unavailable when the store cannot be had.
        """
        now = self._clock.now()
        await self._make_first_keys(now)
        await ensure_keys(self.store, self._sealer, FIRST, now)  # a command may have made another one before
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
        await rotate_keys(self.store, self._sealer, now, self.policy.lifetimes)
        await self._load_keys()
        while await self.store.purge(now):
            await checkpoint()  # a store need not wait: requests go on between two batches

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

    async def end_session(self, pairs: Pairs, browser: Browser) -> Answer:
        return await end_session.end_session(await self._ready(), pairs, browser, self._clock.now())

    async def confirm_end_session(self, id_: str, pairs: Pairs, browser: Browser) -> Answer:
        return await end_session.confirm_end_session(await self._ready(), id_, pairs, browser, self._clock.now())

    # --- keys ------------------------------------------------------------

    async def refresh_keys(self) -> None:
        """Reads the keys again if they were read more than a second ago; the old ones stand while the store cannot
        be had, or holds a key that another master key has sealed."""
        moment = self._clock.monotonic()
        if self._loaded_at is not None and moment - self._loaded_at < KEYS_LIVE:
            return
        self._loaded_at = moment  # first, so that one request reads and the others go on
        try:
            await self._load_keys()
        except (Unavailable, ConfigurationError) as error:
            events.refused("keys.not_read", error)

    async def _ready(self) -> AuthorizationServer:
        await self.refresh_keys()
        return self._role

    async def _load_keys(self) -> None:
        records = await self.store.list_signing_keys()
        now = self._clock.now()
        self._loaded_at = self._clock.monotonic()
        before = self._role.keys
        if not before.stands(records, now):
            keys = await to_thread.run_sync(build_key_ring, records, now, self._sealer, before)
            self._role = replace(self._role, keys=keys)
            if keys.algorithms != before.algorithms:
                self._metadata = build_metadata(self.policy, keys.algorithms)

    async def _make_key(self, algorithm: SigningAlgorithm) -> SigningKey:
        await ensure_keys(self.store, self._sealer, (algorithm,), self._clock.now())
        await self._load_keys()
        return self._role.keys.signing_key(algorithm)

    async def _make_first_keys(self, now: Instant) -> None:
        if await self.store.list_signing_keys():
            return
        keys = [await to_thread.run_sync(generate_signing_key, algorithm) for algorithm in FIRST]
        records = [build_key_record(key, now, now, self._sealer) for key in keys]
        kids = " ".join(key.kid for key in keys)
        event = AuditEvent(at=now, name="keys.made", detail={"kids": kids})
        if await self.store.insert_first_signing_keys(records, event):
            events.emit(event.name, kids=kids)

    async def _put_client(self, client: ClientRegistration, now: Instant) -> None:
        """Whether the client is disabled is the store's to say. Raises: ConfigurationError."""
        check_registration(client, self.policy.issuer, self.policy.sector_identifier_uris)
        if client.client_id in {str(user.sub) for user in self.policy.users} or await self.store.find_user(
            Subject(client.client_id)
        ):
            raise ConfigurationError(
                Finding.CLIENT_METADATA_BAD,
                client_id=client.client_id,
                member="client_id",
                reason="a user's sub",
            )
        before = await self.store.find_client(client.client_id)
        wanted = replace(client, disabled=before.disabled) if before else client
        if wanted != before:
            await self.store.put_client(wanted, now)
        if await ensure_keys(self.store, self._sealer, algorithms_of(client), now):
            await self._load_keys()


async def sign(key: SigningKey, typ: str, claims: Mapping[str, Any]) -> str:
    """ECDSA here (0.02 ms), RSA in a thread (0.7 ms, without the interpreter's lock)."""
    if key.algorithm in ("ES256", "Ed25519", "EdDSA"):
        return key.sign(typ, claims)
    return await to_thread.run_sync(key.sign, typ, claims)


def server_nonces(master_key: MasterKey) -> DpopNonces:
    """The same ones in all workers and nodes with that master key."""
    return DpopNonces(Secret(encode_base64url(master_key.derive(NONCES_LABEL))))


def server_sealer(master_key: MasterKey) -> Sealer:
    """What seals signing keys in the store; for commands that work on the same store."""
    return Sealer(master_key.derive(SEALER_LABEL))
