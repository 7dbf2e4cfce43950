"""An issuer in the same process that exchanges tokens (RFC 8693), also in Microsoft's way."""

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from proofkey.client.token_exchange import ACCESS_TOKEN, GRANT_TYPE, JWT_BEARER
from proofkey.errors import InvalidToken
from proofkey.protocol.json_strict import parse_object
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.runtime.clock import Clock
from proofkey.runtime.entropy import Entropy, system_entropy
from proofkey.testing.client_desk import ClientDesk
from proofkey.testing.introspection_endpoint import CLIENT_ID, CLIENT_SECRET, read_form, send_body
from proofkey.testing.issuer import AUDIENCE, ISSUER, LocalIssuer

Message = MutableMapping[str, Any]


class ExchangingIssuer(LocalIssuer):
    """A `LocalIssuer` whose token endpoint exchanges its own access tokens for the client `api`.

    `refusal` is a status and the members of an error answer instead; `members` changes honest answers, None takes
    one out; `forms` holds what was asked, with the tokens in it.
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
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.members: dict[str, Any] = {}
        self.expires_in = 300
        """Seconds that exchanged tokens live."""
        self.forms: list[dict[str, str]] = []

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answers `/token`; everything else as `LocalIssuer` does."""
        if scope["path"] != urlsplit(self.url).path.rstrip("/") + "/token":
            await super().__call__(scope, receive, send)
            return
        headers, form = await read_form(scope, receive)
        self.forms.append(form)
        status, document = self._exchange(headers, form)
        await send_body(send, status, "application/json", json.dumps(document))

    def _exchange(self, headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        if self.desk.admits(headers, form) is None:
            return 401, {"error": "invalid_client"}
        if self.refusal is not None:
            return self.refusal
        by_assertion = form.get("grant_type") == JWT_BEARER
        if by_assertion and form.get("requested_token_use") != "on_behalf_of":
            return 400, {"error": "invalid_request"}
        if not by_assertion and form.get("grant_type") != GRANT_TYPE:
            return 400, {"error": "unsupported_grant_type"}
        subject = self._claims(form.get("assertion" if by_assertion else "subject_token", ""))
        if subject is None:
            return 400, {"error": "invalid_grant" if by_assertion else "invalid_request"}
        return 200, self._answer(form, subject, issued_type=not by_assertion)

    def _claims(self, token: str) -> dict[str, Any] | None:
        """What one of our own access tokens for this API says, while it lives."""
        try:
            jws = verify_compact(token, KeySet(key.verification_key for key in self.keys), ALGORITHM_NAMES)
        except InvalidToken:
            return None
        claims = parse_object(jws.payload)
        live = claims["exp"] > self.clock.now() and claims["aud"] == self.audience
        return claims if live else None

    def _answer(self, form: Mapping[str, str], subject: Mapping[str, Any], *, issued_type: bool) -> dict[str, Any]:
        scope = form.get("scope", "")
        target = form.get("resource") or form.get("audience") or scope.rpartition("/")[0]
        token = self.token_for(
            sub=subject["sub"], aud=target, scope=scope, client_id=CLIENT_ID, expires_in=self.expires_in
        )
        honest: dict[str, Any] = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        if issued_type:
            honest["issued_token_type"] = ACCESS_TOKEN
        return {name: value for name, value in {**honest, **self.members}.items() if value is not None}
