"""An OpenID provider for tests of clients: honest by default, hostile where a switch says so.

Its person is always signed in and always consents. It is both an ASGI application and a
`protocol.exchange.Transport`, and it keeps what it was asked.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus, urlencode, urlsplit

from proofkey.errors import Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.jose import SigningAlgorithm, SigningKey, generate_signing_key
from proofkey.protocol.key_set import VerificationKey
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import Issuer, Secret, encode_base64url
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.testing.client_desk import ClientDesk
from proofkey.testing.provider_faults import Changes, ProviderFaults
from proofkey.testing.provider_wire import (
    HASHES,
    changed,
    compact,
    json_answer,
    lists_of,
    one_of,
    pairs_of,
    path_of,
    segment,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(slots=True)
class _Grant:
    nonce: str | None
    scope: str
    challenge: str | None
    resource: tuple[str, ...]
    redirect_uri: str
    used: bool = False
    family_dead: bool = False


class ScriptedProvider:
    """One provider with one client and one person. A client with a key proves itself by assertions (`desk`).

    `expires_in` is the life of access tokens in seconds; `claims` go into each ID token. Refresh tokens rotate,
    and one that is used again kills its family.
    """

    def __init__(
        self,
        issuer: str = "https://op.test",
        *,
        client_id: str = "web",
        client_secret: Secret | None = None,
        client_key: VerificationKey | None = None,
        sub: str = "u1",
        claims: Changes | None = None,
        expires_in: int = 900,
        algorithm: SigningAlgorithm = "ES256",
        clock: Clock | None = None,
        entropy: Entropy = system_entropy,
    ) -> None:
        self.issuer = Issuer(issuer)
        self.client_id = client_id
        self.client_secret = client_secret
        self.sub = sub
        self.claims: dict[str, Any] = dict(claims or {})
        self.expires_in = expires_in
        self.faults = ProviderFaults()
        self.asked: list[Ask] = []
        """Every request from the client's server, in order."""
        self.authorization_requests: list[dict[str, list[str]]] = []
        self.key: SigningKey = generate_signing_key(algorithm, "k1")
        self._foreign_key = generate_signing_key(algorithm, "k1")
        self._clock = clock or system_clock()
        self._entropy = entropy
        self.desk = ClientDesk(issuer, self._clock)
        if client_key is not None:
            self.desk.keys[client_id] = client_key
        self.userinfo: dict[str, Any] = {}
        """What the UserInfo endpoint says beside `sub`."""
        self._access_tokens: set[str] = set()
        self._pushed: dict[str, dict[str, list[str]]] = {}
        self._codes: dict[str, _Grant] = {}
        self._refresh_tokens: dict[str, _Grant] = {}
        self._spent: dict[str, _Grant] = {}

    # --- what tests look at --------------------------------------------------------------------------------------
    def token_requests(self, grant_type: str | None = None) -> list[dict[str, list[str]]]:
        """The forms that came to the token endpoint."""
        forms = [
            lists_of(ask.form or ()) for ask in self.asked if path_of(ask.url) == path_of(self._url("/token"))
        ]
        return [form for form in forms if grant_type is None or form.get("grant_type") == [grant_type]]

    def rotate_key(self, kid: str = "k2") -> None:
        """From now on another key signs, and it alone is published."""
        self.key = generate_signing_key(self.key.algorithm, kid)

    # --- the browser's side --------------------------------------------------------------------------------------
    def authorize(self, url: str) -> str:
        """Where the person's browser is sent back to, for an authorization URL."""
        asked = lists_of(pairs_of(urlsplit(url).query))
        if "request_uri" in asked:
            asked = self._pushed.pop(asked["request_uri"][0])
        self.authorization_requests.append(asked)
        code = self._entropy()
        redirect_uri = asked["redirect_uri"][0]
        self._codes[code] = _Grant(
            nonce=one_of(asked, "nonce"),
            scope=one_of(asked, "scope") or "",
            challenge=one_of(asked, "code_challenge"),
            resource=tuple(asked.get("resource", ())),
            redirect_uri=redirect_uri,
        )
        honest = {"code": code, "state": one_of(asked, "state"), "iss": self.issuer}
        response = changed(honest, self.faults.authorization_response)
        pairs = list(response.items())
        if self.faults.repeat_parameter in response:
            pairs.append((self.faults.repeat_parameter, response[self.faults.repeat_parameter]))
        return f"{redirect_uri}?{urlencode(pairs)}"

    # --- Transport -----------------------------------------------------------------------------------------------
    async def send(self, ask: Ask) -> Answer:
        """Implements `protocol.exchange.Transport`. Raises: Unavailable for endpoints in `faults.down`."""
        self.asked.append(ask)
        if self.faults.delay:
            await asyncio.sleep(self.faults.delay)
        name = self._endpoint(ask.url)
        if name in self.faults.down:
            raise Unavailable(Finding.OUTGOING_FAILED, endpoint=name)
        answer = self.faults.overrides.get(name) or self._answer(name, ask)
        if len(answer.body) > ask.max_bytes:
            raise Unavailable(Finding.OUTGOING_TOO_LARGE, endpoint=name)
        return answer

    async def aclose(self) -> None:
        """Nothing is held."""

    # --- ASGI ----------------------------------------------------------------------------------------------------
    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The provider as an ASGI application; /authorize answers 303 at once."""
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = bool(message.get("more_body", False))
        query = scope["query_string"].decode()
        url = f"{self.issuer.rstrip('/')}{scope['path']}" + (f"?{query}" if query else "")
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        if scope["path"].endswith("/authorize"):
            answer = Answer(303, {"location": self.authorize(url)})
        else:
            form = pairs_of(body.decode()) if body else None
            try:
                answer = await self.send(Ask(scope["method"], url, headers, form))
            except Unavailable:
                answer = Answer(503, {}, b"down")
        raw = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    # --- endpoints -----------------------------------------------------------------------------------------------
    def _url(self, path: str) -> str:
        return f"{self.issuer.rstrip('/')}{path}"

    def _endpoint(self, url: str) -> str:
        path = urlsplit(url).path
        if "/.well-known/" in path:
            return "discovery"
        return path.rpartition("/")[2]

    def _answer(self, name: str, ask: Ask) -> Answer:
        if name == "discovery":
            return json_answer(self.metadata())
        if name == "jwks":
            return json_answer({"keys": [self.key.public_jwk]})
        if name == "token" and ask.method == "POST":
            return self._token(ask)
        if name == "par" and ask.method == "POST":
            return self._push(ask)
        if name == "userinfo":
            return self._userinfo(ask)
        return Answer(404, {}, b"not found")

    def metadata(self) -> dict[str, Any]:
        """The discovery document, with the faults in it."""
        honest = {
            "issuer": self.issuer,
            "authorization_endpoint": self._url("/authorize"),
            "token_endpoint": self._url("/token"),
            "jwks_uri": self._url("/jwks"),
            "end_session_endpoint": self._url("/end-session"),
            "userinfo_endpoint": self._url("/userinfo"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "authorization_response_iss_parameter_supported": True,
        }
        return changed(honest, self.faults.metadata)

    def _token(self, ask: Ask) -> Answer:
        form = lists_of(ask.form or ())
        if not self._is_client(ask, form):
            return json_answer({"error": "invalid_client"}, 401)
        if one_of(form, "grant_type") == "refresh_token":
            return self._refresh(form)
        code = one_of(form, "code") or ""
        grant = self._codes.get(code)
        if grant is None or (grant.used and not self.faults.code_reusable) or not _proves(form, grant):
            return json_answer({"error": "invalid_grant"}, 400)
        grant.used = True
        return self._tokens(grant, self.faults.id_token_claims, successor=True)

    def _push(self, ask: Ask) -> Answer:
        """RFC 9126 §2; announced where `faults.metadata` names the endpoint `/par`."""
        form = lists_of(ask.form or ())
        if not self._is_client(ask, form):
            return json_answer({"error": "invalid_client"}, 401)
        request_uri = f"urn:ietf:params:oauth:request_uri:{self._entropy()}"
        self._pushed[request_uri] = form
        return json_answer(changed({"request_uri": request_uri, "expires_in": 60}, self.faults.pushed), 201)

    def _userinfo(self, ask: Ask) -> Answer:
        if ask.headers.get("authorization", "").removeprefix("Bearer ") not in self._access_tokens:
            return Answer(401, {"www-authenticate": 'Bearer error="invalid_token"'})
        honest = {"sub": self.sub, **self.userinfo}
        claims = changed(honest, self.faults.userinfo)
        if not self.faults.userinfo_signed:
            return json_answer(claims)
        jwt = self._sign(changed({"iss": self.issuer, "aud": self.client_id, **honest}, self.faults.userinfo))
        return Answer(200, {"content-type": "application/jwt"}, jwt.encode())

    def _is_client(self, ask: Ask, form: dict[str, list[str]]) -> bool:
        if self.desk.keys:
            sent = {name: values[0] for name, values in form.items()}
            return self.desk.admits(ask.headers, sent) == self.client_id
        if self.client_secret is None:
            return one_of(form, "client_id") == self.client_id
        scheme, _, credentials = ask.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(credentials).decode().partition(":")
            pair = (unquote_plus(name), unquote_plus(secret))
        else:
            pair = (one_of(form, "client_id") or "", one_of(form, "client_secret") or "")
        return pair == (self.client_id, self.client_secret.reveal())

    def _refresh(self, form: dict[str, list[str]]) -> Answer:
        if self.faults.refresh_error is not None:
            status, error = self.faults.refresh_error
            return json_answer({"error": error}, status)
        token = one_of(form, "refresh_token") or ""
        grant = self._refresh_tokens.get(token)
        if grant is None:
            spent = self._spent.get(token)
            if spent is not None:
                spent.family_dead = True
            return json_answer({"error": "invalid_grant"}, 400)
        if grant.family_dead:
            return json_answer({"error": "invalid_grant"}, 400)
        successor = not self.faults.refresh_without_successor
        if successor:
            self._spent[token] = self._refresh_tokens.pop(token)
        changes = {"nonce": None, **self.faults.refresh_id_token_claims}
        return self._tokens(grant, changes, successor=successor)

    def _tokens(self, grant: _Grant, changes: Changes, *, successor: bool) -> Answer:
        access_token = self._entropy()
        self._access_tokens.add(access_token)
        honest: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": grant.scope,
            "id_token": self.id_token(grant.nonce, access_token, changes),
        }
        if successor:
            honest["refresh_token"] = self._entropy()
            self._refresh_tokens[honest["refresh_token"]] = grant
        headers = {"content-type": "application/json", "cache-control": "no-store"}
        return Answer(200, headers, json.dumps(changed(honest, self.faults.token_response)).encode())

    # --- ID tokens -----------------------------------------------------------------------------------------------
    def id_token(self, nonce: str | None, access_token: str, changes: Changes) -> str:
        """A signed ID token; the faults decide how it is spoilt."""
        if self.faults.id_token_replayed is not None:
            return self.faults.id_token_replayed
        now = self._clock.now()
        half = hashlib.new(HASHES[self.key.algorithm], access_token.encode()).digest()
        honest = {
            "iss": self.issuer,
            "sub": self.sub,
            "aud": self.client_id,
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            "nonce": nonce,
            "at_hash": encode_base64url(half[: len(half) // 2]),
            **self.claims,
        }
        return self._sign(changed(honest, changes))

    def _sign(self, claims: dict[str, Any]) -> str:
        faults = self.faults
        if faults.id_token_unsigned:
            return compact({"alg": "none", "kid": self.key.kid}, claims, lambda _: b"")
        if faults.id_token_hmac:
            key = (self.client_secret or Secret("")).reveal().encode()
            return compact(
                {"alg": "HS256", "kid": self.key.kid},
                claims,
                lambda signed: hmac.digest(key, signed, "sha256"),
            )
        signer = self._foreign_key if faults.id_token_foreign_key else self.key
        token = signer.sign("JWT", claims)
        if not faults.id_token_header:
            return token
        header = changed({"alg": signer.algorithm, "kid": signer.kid, "typ": "JWT"}, dict(faults.id_token_header))
        return f"{segment(header)}.{token.partition('.')[2]}"


def _proves(form: Mapping[str, list[str]], grant: _Grant) -> bool:
    verifier = one_of(form, "code_verifier")
    same_uri = one_of(form, "redirect_uri") == grant.redirect_uri
    return same_uri and verifier is not None and challenge_of(verifier) == grant.challenge
