"""The server's keys at work: made, read, rotated; in the store, or at a signer who keeps them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from anyio import to_thread

from proofkey.authorization_server.keys import (
    KeyRing,
    Seals,
    build_key_record,
    build_key_ring,
    first_algorithms,
)
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.records import AuditEvent, SigningKeyRecord
from proofkey.authorization_server.role import Sign
from proofkey.authorization_server.signer import RemoteKey, Signer, SignerKey, read_signer_keys
from proofkey.authorization_server.stores import SigningKeys
from proofkey.errors import ConfigurationError, ProofkeyError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.jose import (
    SigningAlgorithm,
    SigningKey,
    encode_claims,
    encode_header,
    generate_signing_key,
)
from proofkey.protocol.text import Instant, encode_base64url
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.server_upkeep import ensure_keys, rotate_keys
from proofkey.runtime.settings_server import SignerSettings

NEEDED: Final = "ES256"
"""Access tokens are signed with it."""
_ES256_BYTES: Final = 64
RETRY_AFTER: Final = 5
"""Seconds."""


class ServerKeys:
    """The keys of one server. With a signer none is made here; those that the store has from before stay
    published, and sign until the signer's first of that algorithm is active."""

    __slots__ = ("_clock", "_policy", "_seals", "_signer", "_store", "sign")

    def __init__(
        self, store: SigningKeys, seals: Seals, policy: Policy, clock: Clock, signer: Signer | None = None
    ) -> None:
        self._store = store
        self._seals = seals
        self._policy = policy
        self._clock = clock
        self._signer = signer
        self.sign: Final[Sign] = sign if signer is None else sign_by(signer)

    async def make_first(self) -> None:
        """What a new store needs; of several processes at once one makes them.

        Raises: Unavailable; ConfigurationError when the signer has no key that access tokens are signed with.
        """
        if self._signer is not None:
            await self.ensure((NEEDED,))
            return
        now, algorithms = self._clock.now(), first_algorithms(self._policy)
        if not await self._store.list_signing_keys():
            await self._insert_first(algorithms, now)
        await self.ensure(algorithms)  # a command may have made another one before

    async def ensure(self, algorithms: Iterable[SigningAlgorithm]) -> bool:
        """The first key of each algorithm that has none; True when one was missing.

        Raises: Unavailable; ConfigurationError when the signer has none.
        """
        if self._signer is None:
            return await ensure_keys(self._store, self._seals, algorithms, self._clock.now())
        known = {record.algorithm for record in await self._remote(self._signer)}
        for algorithm in algorithms:
            _check_has(known, algorithm)
        return False

    async def rotate(self) -> None:
        """Announces and retires what is due; a signer's keys are its own to announce. Raises: Unavailable."""
        if self._signer is None:
            await rotate_keys(self._store, self._seals, self._clock.now(), self._policy.lifetimes)

    async def read(self, before: KeyRing) -> KeyRing:
        """The keys of now; the very ring while it stands.

        Raises: Unavailable; ConfigurationError when another master key sealed them, or the signer's are none.
        """
        records: Sequence[SigningKeyRecord] = await self._store.list_signing_keys()
        if self._signer is not None:
            records = (*await self._remote(self._signer), *records)
        now = self._clock.now()
        if before.stands(records, now):
            return before
        return await to_thread.run_sync(build_key_ring, records, now, self._seals, before)

    async def _insert_first(self, algorithms: Sequence[SigningAlgorithm], now: Instant) -> None:
        keys = [await to_thread.run_sync(generate_signing_key, algorithm) for algorithm in algorithms]
        records = [build_key_record(key, now, now, self._seals) for key in keys]
        kids = " ".join(key.kid for key in keys)
        event = AuditEvent(at=now, name="keys.made", detail={"kids": kids})
        if await self._store.insert_first_signing_keys(records, event):
            events.emit(event.name, kids=kids)

    async def _remote(self, signer: Signer) -> tuple[SigningKeyRecord, ...]:
        try:
            keys: Sequence[SignerKey] = await signer.keys()
            return read_signer_keys(keys)
        except ProofkeyError:
            raise
        except Exception as error:  # noqa: BLE001 - a signer is somebody else's code; type and place are logged
            events.internal_error("signer.failed", error)
            fault = type(error).__name__
        raise Unavailable(Finding.SIGNER_AWAY, retry_after=RETRY_AFTER, error=fault)


async def ensure_configured_keys(
    store: SigningKeys,
    seals: Seals,
    signer: SignerSettings | None,
    algorithms: Iterable[SigningAlgorithm],
    now: Instant,
) -> None:
    """For commands on the store: the first key of each algorithm that has none; a signer's are only looked for in
    the configuration.

    Raises: Unavailable; ConfigurationError when the signer has none.
    """
    if signer is None:
        await ensure_keys(store, seals, algorithms, now)
        return
    known: set[str] = {key.algorithm for key in signer.keys}
    for algorithm in algorithms:
        _check_has(known, algorithm)


def _check_has(known: set[str], algorithm: SigningAlgorithm) -> None:
    if algorithm not in known:
        reason = "the signer has no key for it"
        raise ConfigurationError(Finding.CONFIG_VALUE, key="signer", value=algorithm, reason=reason)


async def sign(key: SigningKey | RemoteKey, typ: str, claims: Mapping[str, Any]) -> str:
    """ECDSA here (0.02 ms), RSA in a thread (0.7 ms, without the interpreter's lock).

    Raises: Unavailable for a key that is kept elsewhere.
    """
    if isinstance(key, RemoteKey):
        raise Unavailable(Finding.SIGNER_AWAY, retry_after=RETRY_AFTER, kid=key.kid)
    if key.algorithm in ("ES256", "Ed25519", "EdDSA"):
        return key.sign(typ, claims)
    return await to_thread.run_sync(key.sign, typ, claims)


def sign_by(signer: Signer) -> Sign:
    """Signs by whoever has the key; a failure, and what is no signature, is Unavailable."""

    async def sign_remotely(key: SigningKey | RemoteKey, typ: str, claims: Mapping[str, Any]) -> str:
        if isinstance(key, SigningKey):
            return await sign(key, typ, claims)
        signed = f"{encode_header(key.algorithm, key.kid, typ)}.{encode_claims(claims)}"
        signature = await _ask(signer.sign, key, signed.encode())
        return f"{signed}.{encode_base64url(signature)}"

    return sign_remotely


async def _ask(ask: Callable[..., Any], key: RemoteKey, signed: bytes) -> bytes:
    """Raises: Unavailable."""
    try:
        signature: object = await ask(key.kid, signed)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a signer is somebody else's code; type and place are logged
        events.internal_error("signer.failed", error, kid=key.kid)
        raise Unavailable(
            Finding.SIGNER_AWAY, retry_after=RETRY_AFTER, kid=key.kid, error=type(error).__name__
        ) from None
    if not isinstance(signature, bytes) or not signature:
        raise Unavailable(Finding.SIGNER_AWAY, retry_after=RETRY_AFTER, kid=key.kid, reason="no bytes")
    if key.algorithm == "ES256" and len(signature) != _ES256_BYTES:
        raise Unavailable(Finding.SIGNER_AWAY, retry_after=RETRY_AFTER, kid=key.kid, reason="not r and s")
    return signature
