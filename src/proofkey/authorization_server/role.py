"""The role with all that it was given: what every endpoint and grant receives."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from proofkey.authorization_server.hooks import NO_HOOKS, Hooks
from proofkey.authorization_server.keys import KeyRing, algorithm_named
from proofkey.authorization_server.known_device import KnownDevices
from proofkey.authorization_server.policy import Policy
from proofkey.authorization_server.remote import Documents, NoDocuments
from proofkey.authorization_server.signer import RemoteKey
from proofkey.authorization_server.stores import ServerStore
from proofkey.authorization_server.subject import Subjects
from proofkey.protocol.dpop import ProofKeys
from proofkey.protocol.jose import SigningAlgorithm, SigningKey
from proofkey.protocol.replay import ReplayMemory
from proofkey.protocol.text import Instant, Secret, digest_of

Entropy = Callable[[], str]
"""256 fresh random bits as 43 base64url characters."""


class Sign(Protocol):
    """Signs without stopping others: an RSA signature takes 0.7 ms and belongs into a thread."""

    async def __call__(self, key: SigningKey | RemoteKey, typ: str, claims: Mapping[str, Any]) -> str:
        """A compact JWS. Raises: Unavailable when whoever has the key is away."""
        ...


class MakeKey(Protocol):
    """The first signing key of an algorithm, made for the first client that asks for it."""

    async def __call__(self, algorithm: SigningAlgorithm) -> SigningKey | RemoteKey:
        """Raises: Unavailable; ConfigurationError when the master key is another one."""
        ...


class TellClients(Protocol):
    """Tells the clients of a sign-in, which the caller has just ended and holds, before the person goes on."""

    async def __call__(self, sid: str) -> None:
        """Within a few seconds; whoever was not reached is told later. Never fails."""
        ...


class Passwords(Protocol):
    """A bounded pool of password hashing."""

    @property
    def dummy_hash(self) -> str:
        """A hash of nobody's password, so that an unknown user takes the same time."""
        ...

    async def hash(self, password: Secret, /) -> str:
        """Raises: Unavailable when the queue is full."""
        ...

    async def verify(self, encoded: str, password: Secret, /) -> bool:
        """Raises: Unavailable when the queue is full."""
        ...

    def needs_rehash(self, encoded: str, /) -> bool: ...


class Suspects:
    """Clients and addresses with a wrong secret of late: only they pay for a throttle's write.

    Bounded. The counts are in the store, shared by all workers, which learn from it whom others suspect.
    """

    __slots__ = ("_digests", "most")

    def __init__(self, most: int = 10_000) -> None:
        self._digests: dict[str, None] = {}
        self.most = most

    def __contains__(self, key: str) -> bool:
        return digest_of(key) in self._digests

    def add(self, key: str) -> None:
        self.learn([digest_of(key)])

    def learn(self, digests: Iterable[str]) -> None:
        """Of keys, as a store holds them."""
        for digest in digests:
            while len(self._digests) >= self.most and digest not in self._digests:
                del self._digests[next(iter(self._digests))]
            self._digests[digest] = None

    def discard(self, key: str) -> None:
        self._digests.pop(digest_of(key), None)


class Nonces(Protocol):
    """A server's nonces for DPoP proofs (RFC 9449 §8)."""

    def current(self, now: Instant, /) -> str: ...

    def began(self, nonce: str, now: Instant, /) -> Instant | None:
        """Since when it could be known; None when it is no nonce of ours, or an old one."""
        ...

    def successor(self, nonce: str, now: Instant, /) -> str | None:
        """The one to go on with; None while this is the current one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationServer:
    """Policy, store, keys and helpers, as values. `mac_key` authenticates refresh tokens; it is derived from the
    master key and never stored."""

    policy: Policy
    store: ServerStore
    keys: KeyRing
    sign: Sign
    passwords: Passwords
    entropy: Entropy
    mac_key: bytes = field(repr=False)
    subjects: Subjects = field(default_factory=lambda: Subjects(b""), repr=False)
    """The names of people at clients that must not compare them."""
    devices: KnownDevices = field(default_factory=lambda: KnownDevices(b""), repr=False)
    """Browsers that were signed in with before."""
    make_key: MakeKey | None = None
    replays: ReplayMemory = field(repr=False)
    """What is used once, for all workers."""
    nonces: Nonces | None = None
    """None: DPoP proofs need none."""
    proof_keys: ProofKeys = field(default_factory=ProofKeys, repr=False)
    documents: Documents = field(default_factory=NoDocuments, repr=False)
    """What clients publish about themselves."""
    suspects: Suspects = field(default_factory=Suspects, repr=False)
    tell_clients: TellClients | None = field(default=None, repr=False)
    """None: whatever looks for due deliveries tells them."""
    hooks: Hooks = NO_HOOKS
    """What the application decides itself."""

    async def signing_key(self, algorithm: str) -> SigningKey | RemoteKey:
        """The key that signs with that algorithm now; the first one of an algorithm is made here when nobody made
        it at the registration.

        Raises: ServerError for an algorithm that is not offered; Unavailable.
        """
        found = self.keys.signing.get(algorithm)
        wanted = algorithm_named(algorithm)
        if found is None and wanted is not None and self.make_key is not None:
            return await self.make_key(wanted)
        return found or self.keys.signing_key(algorithm)
