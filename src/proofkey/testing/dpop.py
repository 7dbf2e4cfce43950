"""A client's DPoP key for tests: proofs, headers, and authentication for an HTTP client.

```python
key = DpopKey(clock=clock)
token = issuer.token_for(scope="orders:read", cnf=key.cnf)
client.get("/orders", headers=key.dpop_headers(token, "GET", "https://api.test/orders"))
client.get("/orders", auth=DpopAuth(key, token, public_url="https://api.test"))
```
"""

from collections.abc import Generator, Mapping
from typing import Any

import httpx2

from proofkey.protocol.dpop import build_dpop_proof, token_hash
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.proof_key import thumbprint_of
from proofkey.protocol.text import Instant
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.testing.tokens import compact_json, sign_exactly


class DpopKey:
    """A key pair that a token can be bound to."""

    def __init__(
        self,
        algorithm: SigningAlgorithm = "ES256",
        *,
        key: SigningKey | None = None,
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.key = generate_signing_key(algorithm) if key is None else key
        self.clock = system_clock() if clock is None else clock
        self._entropy = entropy

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as a proof's header shows it."""
        return {name: value for name, value in self.key.public_jwk.items() if name not in ("use", "alg", "kid")}

    @property
    def jkt(self) -> str:
        """The thumbprint that a token is bound by (RFC 9449 §6.1)."""
        return thumbprint_of(self.jwk)

    @property
    def cnf(self) -> dict[str, str]:
        """The claim of a token that is bound to this key."""
        return {"jkt": self.jkt}

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        nonce: str | None = None,
        now: Instant | None = None,
        jti: str | None = None,
    ) -> str:
        """An honest proof (RFC 9449 §4.2), with a new jti unless one is given."""
        return build_dpop_proof(
            self.key,
            method=method,
            url=url,
            now=self.clock.now() if now is None else now,
            jti=self._entropy() if jti is None else jti,
            access_token=token,
            nonce=nonce,
        )

    def claims(self, method: str, url: str, *, token: str | None = None) -> dict[str, Any]:
        """The claims of an honest proof, for `sign` to spoil."""
        made: dict[str, Any] = {"jti": self._entropy(), "htm": method, "htu": url, "iat": int(self.clock.now())}
        return made if token is None else made | {"ath": token_hash(token)}

    def header(self) -> dict[str, Any]:
        """The header of an honest proof."""
        return {"typ": "dpop+jwt", "alg": self.key.algorithm, "jwk": self.jwk}

    def sign(self, claims: Mapping[str, Any] | bytes, header: Mapping[str, Any] | bytes | None = None) -> str:
        """A compact JWS over whatever it is told to sign, honest or not."""
        head = self.header() if header is None else header
        return sign_exactly(
            self.key,
            head if isinstance(head, bytes) else compact_json(head),
            claims if isinstance(claims, bytes) else compact_json(claims),
        )

    def dpop_headers(self, token: str, method: str, url: str, nonce: str | None = None) -> dict[str, str]:
        """Authorization and DPoP for one request (RFC 9449 §7.1). `url` is the public one."""
        return {
            "Authorization": f"DPoP {token}",
            "DPoP": self.proof(method, url, token=token, nonce=nonce),
        }


class DpopAuth(httpx2.Auth):
    """Proves each request anew, and repeats one once with the nonce that the server asks for (RFC 9449 §9).

    With `public_url` the proofs name that address and the request's path, as behind a proxy.
    """

    def __init__(self, key: DpopKey, token: str, *, public_url: str | None = None) -> None:
        self.nonce: str | None = None
        """The last one that a server sent."""
        self._key = key
        self._token = token
        self._public_url = public_url

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        asked = self.nonce
        response = yield self._prove(request)
        self._learn(response)
        if response.status_code == 401 and self.nonce != asked and "use_dpop_nonce" in _challenge(response):
            self._learn((yield self._prove(request)))

    def _prove(self, request: httpx2.Request) -> httpx2.Request:
        url = str(request.url.copy_with(query=None, fragment=None))
        if self._public_url is not None:
            url = self._public_url.rstrip("/") + request.url.raw_path.partition(b"?")[0].decode()
        request.headers.update(self._key.dpop_headers(self._token, request.method, url, self.nonce))
        return request

    def _learn(self, response: httpx2.Response) -> None:
        self.nonce = response.headers.get("dpop-nonce", self.nonce)


def _challenge(response: httpx2.Response) -> str:
    return response.headers.get("www-authenticate", "")
