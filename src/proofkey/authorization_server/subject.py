"""Under which name a client knows a person: the same for all, or one for each sector (OIDC Core §8)."""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256

from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import Subject, encode_base64url
from proofkey.protocol.uri import split_uri


@dataclass(frozen=True, slots=True)
class Subjects:
    """`key` is derived from the master key. Everything that a client of a pairwise subject can read says the same
    `sub`: ID token, UserInfo, hint, and its access tokens too, for it can read those and compare them with another
    client's (RFC 9068 §6). Other rows of the store know people by their one subject only."""

    key: bytes = field(repr=False)

    def of(self, sub: Subject, client: ClientRegistration) -> Subject:
        """The person's name for this client: not to be turned back, and the same for ever (OIDC Core §8.1)."""
        if client.subject_type != "pairwise":
            return sub
        return Subject(self._name("sub", sub, client))

    def session(self, sid: str | None, client: ClientRegistration) -> str | None:
        """The `sid` for this client: two sectors cannot tell either that a session is the same."""
        if sid is None or client.subject_type != "pairwise":
            return sid
        return self._name("sid", sid, client)[:22]

    def _name(self, kind: str, value: str, client: ClientRegistration) -> str:
        text = f"{kind}\n{sector_of(client)}\n{value}"
        return encode_base64url(hmac.new(self.key, text.encode(), sha256).digest())


def sector_of(client: ClientRegistration) -> str:
    """OIDC Core §8.1: the host of the sector identifier, else the one host of the redirect URIs."""
    if client.sector_identifier_uri is not None:
        return split_uri(client.sector_identifier_uri).host.lower()
    return min((split_uri(uri).host.lower() for uri in client.redirect_uris), default="")
