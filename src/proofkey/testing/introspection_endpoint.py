"""An issuer of opaque tokens in the same process, and its introspection endpoint (RFC 7662, RFC 9701)."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from proofkey.errors import InvalidToken
from proofkey.protocol.access_token import build_access_token_claims
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Secret
from proofkey.resource_server.introspection import HEADER_TYPE, SIGNED
from proofkey.runtime.clock import Clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.testing.client_desk import ClientDesk
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer
from proofkey.testing.tokens import sign_exactly

Message = MutableMapping[str, Any]
Changes = Mapping[str, Any]
"""Members to replace or add; None takes a member out."""

CLIENT_ID = "api"
CLIENT_SECRET = Secret("Xv7Qp2Lk9Zt4Rb8Wn5Hd3Mc6Ys1Gf0Ja")


class IntrospectingIssuer(LocalIssuer):
    """A `LocalIssuer` that answers whether tokens are active: opaque ones, and JWTs of its own.

    Its client `api` with `CLIENT_SECRET` may ask; `desk` can register others. Honest by default: `members` changes
    what it says of active tokens, `jwt_claims` and `jwt_header` spoil signed answers. Faults of the wire are those
    of `FaultyTransport`.
    """

    def __init__(
        self,
        url: str = ISSUER,
        *,
        audience: str = AUDIENCE,
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        super().__init__(url, audience=audience, clock=clock, entropy=entropy)
        self.desk = ClientDesk(url, self.clock)
        self.desk.secrets[CLIENT_ID] = CLIENT_SECRET
        self.members: dict[str, Any] = {}
        self.jwt_claims: dict[str, Any] = {}
        self.jwt_header: dict[str, Any] = {}
        self.questions: list[dict[str, str]] = []
        """The forms that came to the introspection endpoint, without credentials."""
        self.revoked: set[str] = set()
        self._opaque: dict[str, dict[str, Any]] = {}
        self._fresh = entropy

    def opaque_token_for(
        self,
        *,
        scope: str | Sequence[str] = (),
        aud: str | Sequence[str] | None = None,
        sub: str = "u1",
        client_id: str = "app",
        expires_in: int = 900,
        **claims: object,
    ) -> str:
        """A token that nobody can read; `claims` changes what the endpoint says of it, None takes a member out."""
        audience = self.audience if aud is None else aud
        made = build_access_token_claims(
            issuer=self.url,
            sub=sub,
            client_id=client_id,
            audience=(audience,) if isinstance(audience, str) else tuple(audience),
            scope=scope.split() if isinstance(scope, str) else scope,
            now=self.clock.now(),
            lifetime=expires_in,
            jti=self._fresh(),
        )
        token = self._fresh()
        self._opaque[token] = _changed({"active": True, "token_type": "Bearer", **made}, claims)
        return token

    @property
    def metadata(self) -> dict[str, Any]:
        """Discovery, with the introspection endpoint."""
        base = self.url.rstrip("/")
        return super().metadata | {
            "introspection_endpoint": f"{base}/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        }

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answers `/introspect`; everything else as `LocalIssuer` does."""
        if scope["path"] != urlsplit(self.url).path.rstrip("/") + "/introspect":
            await super().__call__(scope, receive, send)
            return
        status, kind, body = self._introspect(*await read_form(scope, receive))
        await send_body(send, status, kind, body)

    def _introspect(self, headers: Mapping[str, str], form: dict[str, str]) -> tuple[int, str, str]:
        client_id = self.desk.admits(headers, form)
        self.questions.append({name: form[name] for name in ("token", "token_type_hint") if name in form})
        if client_id is None:
            return 401, "application/json", json.dumps({"error": "invalid_client"})
        members = self._what_is_said_of(form.get("token", ""))
        if headers.get("accept") != SIGNED:
            return 200, "application/json", json.dumps(members)
        claims = {"iss": self.url, "aud": client_id, "iat": self.clock.now(), "token_introspection": members}
        return 200, SIGNED, self._answer_jwt(_changed(claims, self.jwt_claims))

    def _answer_jwt(self, claims: dict[str, Any]) -> str:
        key = self.keys[-1]
        header = _changed({"alg": key.algorithm, "kid": key.kid, "typ": HEADER_TYPE}, self.jwt_header)
        return sign_exactly(key, json.dumps(header).encode(), json.dumps(claims).encode())

    def _what_is_said_of(self, token: str) -> dict[str, Any]:
        known = self._opaque.get(token) or self._of_jwt(token)
        if known is None or token in self.revoked or known.get("exp", 2**60) <= self.clock.now():
            return {"active": False}
        return _changed(known, self.members)

    def _of_jwt(self, token: str) -> dict[str, Any] | None:
        try:
            jws = verify_compact(token, KeySet(key.verification_key for key in self.keys), ALGORITHM_NAMES)
        except InvalidToken:
            return None
        return {"active": True, "token_type": "Bearer", **parse_object(jws.payload)}


async def read_form(
    scope: Message, receive: Callable[[], Awaitable[Message]]
) -> tuple[dict[str, str], dict[str, str]]:
    """The headers and the form of a request to an ASGI application."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body", False))
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    return headers, dict(parse_qsl(body.decode(), keep_blank_values=True))


async def send_body(send: Callable[[Message], Awaitable[None]], status: int, kind: str, body: str) -> None:
    """One whole answer, never stored."""
    headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def _changed(members: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}
