"""ID tokens checked with the provider's keys."""

from typing import Protocol

from proofkey.client.config import LoginConfig
from proofkey.errors import InvalidToken, LoginFailed
from proofkey.protocol.id_token import IdToken, verify_id_token
from proofkey.protocol.jws import read_unverified_header
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.text import Secret
from proofkey.runtime.clock import Clock


class Keys(Protocol):
    """Where the provider's keys come from; an unknown kid costs one fetch per cool-down (OIDC Core §10.1.1)."""

    async def current(self) -> KeySet: ...

    async def keys_for(self, kid: str) -> KeySet: ...


class IdTokenCheck:
    """Verifies the signature, then the claims (OIDC Core §3.1.3.7)."""

    __slots__ = ("_clock", "_config", "_keys")

    def __init__(self, config: LoginConfig, keys: Keys, clock: Clock) -> None:
        self._config = config
        self._keys = keys
        self._clock = clock

    async def __call__(
        self,
        id_token: Secret,
        metadata: ServerMetadata,
        *,
        nonce: Secret | None,
        access_token: Secret,
        max_age: int | None,
    ) -> IdToken:
        """The claims that may be believed; `nonce` is None for a refreshed one (OIDC Core §12.2).

        Raises: LoginFailed; Unavailable when the keys cannot be had.
        """
        text = id_token.reveal()
        allowed = self._config.id_token_algorithms.intersection(metadata.id_token_signing_alg_values_supported)
        try:
            kid = read_unverified_header(text).get("kid")
            keys = await (self._keys.keys_for(kid) if isinstance(kid, str) else self._keys.current())
            return verify_id_token(
                text,
                keys,
                algorithms=allowed,
                issuer=self._config.token_issuers,
                client_id=self._config.client_id,
                nonce=nonce,
                access_token=access_token,
                max_age=max_age,
                now=self._clock.now(),
                leeway=self._config.leeway,
            )
        except InvalidToken as error:
            raise LoginFailed(error.finding, **error.facts) from error
