"""An issuer in the same process: keys, discovery, key set and tokens, without a network."""

import json
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.metadata import well_known_paths
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.runtime.verifier import Verifier
from proofkey.testing.persona_claims import TENANT, Asked
from proofkey.testing.personas import RFC9068, Persona, persona_named
from proofkey.testing.tokens import compact_json, sign_exactly
from proofkey.testing.transport import AsgiTransport

ISSUER: Final = RFC9068.issuer
AUDIENCE: Final = "https://api.test"

Message = MutableMapping[str, Any]


class Protected(Protocol):
    """What `LocalIssuer.stand_in_for` needs: a `Protect`, or whatever else holds a `Verifier`."""

    verifier: Verifier


class LocalIssuer:
    """Signs access tokens and publishes its keys: an ASGI application, and a `Transport` to it.

    The tokens are RFC 9068's, or as another provider writes them: `LocalIssuer(dialect="entra")`, one of
    `proofkey.testing.personas.PERSONAS`, which also gives the issuer its name.
    `transport.asked` lists what was fetched, `transport.down` can hold the issuer's URL; `cache_control` goes with
    the key set.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        dialect: str | Persona = RFC9068,
        tenants: Sequence[str] = (),
        audience: str = AUDIENCE,
        algorithm: SigningAlgorithm = "ES256",
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        """`tenants` are those that `stand_in_for` allows, where the URL names none of its own.

        Raises: ConfigurationError when there is no persona of that name.
        """
        self.persona = persona_named(dialect) if isinstance(dialect, str) else dialect
        self.url = self.persona.issuer if url is None else url
        self.tenants = tuple(tenants)
        self.audience = audience
        self.algorithm: SigningAlgorithm = algorithm
        self.clock = system_clock() if clock is None else clock
        self.cache_control: str | None = None
        self.keys: list[SigningKey] = [generate_signing_key(algorithm)]
        """As published; the last one signs."""
        self.transport = AsgiTransport({self.url: self})
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
        permissions: Sequence[str] = (),
        client_only: bool = False,
        key: SigningKey | None = None,
        typ: str | None = None,
        **claims: object,
    ) -> str:
        """An access token in the issuer's dialect; `claims` replaces or adds claims, and None takes one out.

        With `client_only` no person stands behind it. `typ` replaces the header's own.
        """
        asked = self._asked(scope, aud, sub, client_id, roles, expires_in, auth_time, permissions)
        made = self.persona.client_only(asked) if client_only else self.persona.access_token(asked)
        header = self.persona.header if typ is None else {**self.persona.header, "typ": typ}
        return self._sign(header, made | claims, key)

    def id_token_for(
        self, *, sub: str = "u1", client_id: str = "app", expires_in: int = 300, **claims: object
    ) -> str:
        """An ID token in the issuer's dialect, which an API must refuse; `claims` as in `token_for`."""
        asked = self._asked((), None, sub, client_id, (), expires_in, None, ())
        header = {"typ": "JWT"} if "typ" in self.persona.header else {}
        return self._sign(header, self.persona.id_token(asked) | claims, None)

    def _asked(
        self,
        scope: str | Sequence[str],
        aud: str | Sequence[str] | None,
        sub: str,
        client_id: str,
        roles: Sequence[str],
        expires_in: int,
        auth_time: int | None,
        permissions: Sequence[str],
    ) -> Asked:
        audience = self.audience if aud is None else aud
        return Asked(
            issuer=self.url,
            audience=(audience,) if isinstance(audience, str) else tuple(audience),
            sub=sub,
            client_id=client_id,
            scope=tuple(scope.split() if isinstance(scope, str) else scope),
            roles=tuple(roles),
            permissions=tuple(permissions),
            now=self.clock.now(),
            lifetime=expires_in,
            jti=self._entropy(),
            auth_time=None if auth_time is None else Instant(auth_time),
        )

    def _sign(self, header: Mapping[str, object], claims: Mapping[str, object], key: SigningKey | None) -> str:
        signer = key or self.keys[-1]
        kept = {name: value for name, value in claims.items() if value is not None}
        whole = {"alg": signer.algorithm, "kid": signer.kid, **header}
        return sign_exactly(signer, compact_json(whole), compact_json(kept))

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
        published = self._published()
        return {
            "issuer": self.url if self.url in published else min(published),
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            "code_challenge_methods_supported": ["S256"],
        }

    def _published(self) -> frozenset[str]:
        """More than one name, or another than the URL, where the provider answers with a template."""
        return self.persona.dialect.metadata_issuer(self.url)

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
            dialect=self.persona.dialect,
            tenants=self.tenants or ((TENANT,) if self.url not in self._published() else ()),
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
