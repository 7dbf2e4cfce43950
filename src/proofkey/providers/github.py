"""GitHub: for login only; its tokens are opaque and for its own API."""

from typing import Final

from proofkey.findings import Finding
from proofkey.protocol.dialect import Dialect, LoginDialect, Source
from proofkey.providers.reading import host_of

_OWN_SESSION: Final = (
    "use GitHub for login only, and call the API with your own session or your own server's token"
)

GITHUB: Final = Dialect(
    name="github",
    title="GitHub",
    matches=lambda issuer: host_of(issuer) == "github.com",
    header_types=frozenset(),
    opaque_remedy=_OWN_SESSION,
    remedies={Finding.TOKEN_IS_GITHUB: _OWN_SESSION},
    verifies=False,
    source=Source(title="GitHub Docs: Authorizing OAuth apps", date="2026-11"),
    login=LoginDialect(audience_parameter="none", offline_access=False, logout="none"),
)
"""Login only. Actions' OpenID Connect tokens come from another issuer, which is not this dialect's."""
