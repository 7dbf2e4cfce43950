"""An issuer in the same process: keys, discovery, key set and tokens, without a network."""

import json
from collections.abc import Awaitable, Callable, Generator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from proofkey.protocol.access_token import build_access_token_claims
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.metadata import well_known_paths
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.verifier import Verifier
from proofkey.testing.transport import AsgiTransport

ISSUER: Final = "https://issuer.test"
AUDIENCE: Final = "https://api.test"

Message = MutableMapping[str, Any]


class Protected(Protocol):
    """What `LocalIssuer.stand_in_for` needs: a `Protect`, or whatever else holds a `Verifier`."""

    verifier: Verifier


class LocalIssuer:
    """Signs RFC 9068 access tokens and publishes its keys: an ASGI application, and a `Transport` to it.

    `transport.asked` lists what was fetched, `transport.down` can hold the issuer's URL; `cache_control` goes with
    the key set.
    """

    def __init__(
        self,
        url: str = ISSUER,
        *,
        audience: str = AUDIENCE,
        algorithm: SigningAlgorithm = "ES256",
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.url = url
        self.audience = audience
        self.algorithm: SigningAlgorithm = algorithm
        self.clock = system_clock() if clock is None else clock
        self.cache_control: str | None = None
        self.keys: list[SigningKey] = [generate_signing_key(algorithm)]
        """As published; the last one signs."""
        self.transport = AsgiTransport({url: self})
        self._entropy = entropy

    def token_for(
        self,
        *,
        scope: str | Sequence[str] = (),
        aud: str | Sequence[str] | None = None,
        sub: str = "u1",
        client_id: str = "app",
        roles: Sequence[str] = (),
        expires_in: int = 900,
        auth_time: int | None = None,
        key: SigningKey | None = None,
        typ: str = "at+jwt",
        **claims: object,
    ) -> str:
        """An access token; `claims` replaces or adds claims, and None takes one out."""
        audience = self.audience if aud is None else aud
        made = build_access_token_claims(
            issuer=self.url,
            sub=sub,
            client_id=client_id,
            audience=(audience,) if isinstance(audience, str) else tuple(audience),
            scope=scope.split() if isinstance(scope, str) else scope,
            now=self.clock.now(),
            lifetime=expires_in,
            jti=self._entropy(),
            roles=tuple(roles),
            auth_time=None if auth_time is None else Instant(auth_time),
        )
        kept = {name: value for name, value in (made | claims).items() if value is not None}
        return (key or self.keys[-1]).sign(typ, kept)

    def rotate(self) -> SigningKey:
        """A new key is published beside the others and signs from now on."""
        self.keys.append(generate_signing_key(self.algorithm))
        return self.keys[-1]

    def withdraw(self, key: SigningKey) -> None:
        """The key is published no longer."""
        self.keys.remove(key)

    @property
    def metadata(self) -> dict[str, Any]:
        """What discovery answers (OIDC Discovery §3)."""
        base = self.url.rstrip("/")
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            "code_challenge_methods_supported": ["S256"],
        }

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set (RFC 7517 §5)."""
        return {"keys": [key.public_jwk for key in self.keys]}

    def fetches(self) -> int:
        """How often the key set was fetched."""
        return sum(ask.url.endswith("/jwks") for ask in self.transport.asked)

    @contextmanager
    def stand_in_for(self, api: Protected) -> Generator["LocalIssuer"]:
        """Inside, `api` takes this issuer's tokens instead of its own issuer's: for tests of an application.

        Tokens are for the API's audience then (the first by name) unless they are asked for with another.
        """
        own, audience = api.verifier, self.audience
        self.audience = min(own.policy.audience)
        api.verifier = Verifier(
            issuer=self.url,
            audience=tuple(own.policy.audience),
            algorithms=own.policy.algorithms,
            leeway=own.policy.leeway,
            transport=self.transport,
            clock=self.clock,
        )
        try:
            yield self
        finally:
            api.verifier, self.audience = own, audience

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answers discovery and key set; 404 for everything else."""
        base = urlsplit(self.url).path
        path = scope["path"]
        headers = [(b"content-type", b"application/json")]
        status, document = 200, self.metadata
        if path == base.rstrip("/") + "/jwks":
            document = self.jwks
            if self.cache_control is not None:
                headers.append((b"cache-control", self.cache_control.encode()))
        elif path not in well_known_paths(base):
            status, document = 404, {"error": "not_found"}
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(document).encode()})
