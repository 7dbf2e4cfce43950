"""UserInfo at login: asked once, after the ID token was believed."""

from collections.abc import Mapping
from typing import Any, Final

from proofkey.client.config import LoginConfig
from proofkey.client.userinfo import (
    build_userinfo_ask,
    check_userinfo_status,
    merge_claims,
    read_signed_userinfo,
    read_userinfo,
    userinfo_form,
)
from proofkey.errors import InvalidToken, LoginFailed, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Transport
from proofkey.protocol.id_token import IdToken
from proofkey.protocol.jws import read_unverified_header, verify_compact
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Secret
from proofkey.runtime import events
from proofkey.runtime.clock import Clock
from proofkey.runtime.login_tokens import Keys

_MISSED: Final = frozenset({Finding.OUTGOING_FAILED, Finding.OUTGOING_STATUS})
"""With these there is no answer; a login that does not insist on one goes on."""


class UserInfo:
    """The claims of a login: the ID token's, and what the UserInfo endpoint adds (OIDC Core §5.3)."""

    __slots__ = ("_clock", "_config", "_keys", "_transport")

    def __init__(self, config: LoginConfig, transport: Transport, keys: Keys, clock: Clock) -> None:
        self._config = config
        self._transport = transport
        self._keys = keys
        self._clock = clock

    async def claims(self, id_token: IdToken, access_token: Secret, metadata: ServerMetadata) -> Mapping[str, Any]:
        """The session's claims. An endpoint that cannot be reached, or that does not take this token (it may be
        for the API alone), leaves the ID token's claims, unless the configuration insists.

        Raises: LoginFailed when the answer is malformed, unsigned where it must be signed, or about another
        person; Unavailable when it is needed and cannot be had.
        """
        wanted = self._config.userinfo
        if wanted is False:
            return id_token.claims
        if metadata.userinfo_endpoint is None:
            if wanted == "auto":
                return id_token.claims
            raise LoginFailed(Finding.USERINFO_NOT_OFFERED, issuer=metadata.issuer)
        try:
            answer = await self._transport.send(build_userinfo_ask(metadata.userinfo_endpoint, access_token))
            check_userinfo_status(answer)
        except Unavailable as error:
            if wanted != "auto" or error.finding not in _MISSED:
                raise
            events.refused("login.userinfo_missed", error, issuer=metadata.issuer)
            return id_token.claims
        return merge_claims(id_token, await self._read(answer, id_token, metadata))

    async def _read(self, answer: Answer, id_token: IdToken, metadata: ServerMetadata) -> Mapping[str, Any]:
        if userinfo_form(answer) == "jwt":
            return await self._read_signed(answer, id_token, metadata)
        if self._config.userinfo == "signed":
            raise LoginFailed(Finding.USERINFO_MALFORMED, reason="not signed")
        return read_userinfo(answer.body, id_token)

    async def _read_signed(self, answer: Answer, id_token: IdToken, metadata: ServerMetadata) -> Mapping[str, Any]:
        try:
            text = answer.body.decode("ascii")
            kid = read_unverified_header(text).get("kid")
            keys = await (self._keys.keys_for(kid) if isinstance(kid, str) else self._keys.current())
            jws = verify_compact(text, keys, _algorithms(metadata))
        except UnicodeDecodeError as error:
            raise LoginFailed(Finding.USERINFO_MALFORMED, reason="not a JWT") from error
        except InvalidToken as error:
            raise LoginFailed(error.finding, **error.facts) from error
        return read_signed_userinfo(jws, id_token, self._config, self._clock.now())


def _algorithms(metadata: ServerMetadata) -> frozenset[str]:
    """Those that the metadata name for UserInfo; where they name none, all that we know: never HS* or none."""
    named = metadata.userinfo_signing_alg_values_supported
    return ALGORITHM_NAMES.intersection(named) if named else ALGORITHM_NAMES
