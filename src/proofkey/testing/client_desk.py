"""Clients of a server for tests, and whether a request comes from one: Basic, the secret in the form, or a signed
assertion, which is held to every rule of RFC 7523."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from proofkey.errors import InvalidToken
from proofkey.protocol.client_assertion import HEADER_TYPE, LIFETIME
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet, VerificationKey
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Secret
from proofkey.runtime.clock import Clock


class ClientDesk:
    """Who is registered. `methods` lists how each request authenticated, `assertions` holds their claims."""

    def __init__(self, issuer: str, clock: Clock) -> None:
        self.issuer = issuer
        self.clock = clock
        self.secrets: dict[str, Secret] = {}
        self.keys: dict[str, VerificationKey] = {}
        self.audience = issuer
        """What assertions must be for."""
        self.methods: list[str] = []
        self.assertions: list[dict[str, Any]] = []
        self._used: set[str] = set()

    def admits(self, headers: Mapping[str, str], form: Mapping[str, str]) -> str | None:
        """The client's id if it proved itself; None otherwise."""
        method, client_id = self._proven(headers, form)
        self.methods.append(method)
        return client_id

    def _proven(self, headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str | None]:
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            return "client_secret_basic", self._by_basic(encoded)
        client_id = form.get("client_id", "")
        if "client_assertion" in form:
            fits = form.get("client_assertion_type") == ASSERTION_TYPE
            return "private_key_jwt", self._by_assertion(client_id, form["client_assertion"]) if fits else None
        if "client_secret" in form:
            return "client_secret_post", self._by_secret(client_id, form["client_secret"])
        return "none", None

    def _by_basic(self, encoded: str) -> str | None:
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._by_secret(unquote_plus(client_id), unquote_plus(secret))

    def _by_secret(self, client_id: str, secret: str) -> str | None:
        return client_id if self.secrets.get(client_id) == Secret(secret) else None

    def _by_assertion(self, client_id: str, assertion: str) -> str | None:
        key = self.keys.get(client_id)
        if key is None:
            return None
        try:
            jws = verify_compact(assertion, KeySet([key]), ALGORITHM_NAMES)
        except InvalidToken:
            return None
        claims, now = parse_object(jws.payload), self.clock.now()
        self.assertions.append(claims)
        fits = (
            jws.header.get("typ") == HEADER_TYPE
            and claims.get("iss") == claims.get("sub") == client_id
            and claims.get("aud") == self.audience
            and claims["iat"] <= now < claims["exp"] <= claims["iat"] + LIFETIME
            and claims["jti"] not in self._used
        )
        self._used.add(claims["jti"])
        return client_id if fits else None
