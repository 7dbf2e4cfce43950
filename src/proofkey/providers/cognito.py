"""Amazon Cognito user pools: access tokens without an audience."""

import re
from collections.abc import Mapping
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.protocol.claims import ClaimError, read_text, read_texts
from proofkey.protocol.dialect import Claims, Dialect, LoginDialect, Relaxation, Source
from proofkey.protocol.token_kind import TokenKind
from proofkey.providers.reading import STANDARD_TYPE, check_no_other_kind, host_of, path_of

_HOST: Final = re.compile(r"cognito-idp\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")


def _is_cognito(issuer: str) -> bool:
    """One label between, the region: further ones would be names that customers choose, such as a bucket's."""
    return _HOST.fullmatch(host_of(issuer)) is not None


def _check_use(header: Mapping[str, Any], claims: Claims) -> None:
    """`token_use` is `access`."""
    use = read_text(claims, "token_use")
    if use != "access":
        found = Finding.TOKEN_IS_ID_TOKEN if use == "id" else Finding.TOKEN_TYPE
        raise ClaimError(found, told_by=f"token_use {use[:32]}")
    check_no_other_kind(claims)


COGNITO: Final = Dialect(
    name="cognito",
    title="Amazon Cognito",
    matches=_is_cognito,
    tenant_of=lambda issuer: path_of(issuer).strip("/") or None if _is_cognito(issuer) else None,
    header_types=frozenset({STANDARD_TYPE, ""}),
    audience="client_id",
    check_use=_check_use,
    roles=lambda claims, audience: read_texts(claims, "cognito:groups"),
    is_client_only=lambda claims, sub, client_id: sub == client_id or "username" not in claims,
    kinds={TokenKind.ENCRYPTED: Finding.TOKEN_IS_REFRESH_TOKEN},
    remedies={
        Finding.TOKEN_AUDIENCE: "name the app client ids as audience: a token has no aud unless it was asked for "
        "with resource=<API identifier>",
        Finding.TOKEN_IS_ID_TOKEN: "send the access token: its token_use is access",
        Finding.TOKEN_TENANT: "ask the user pool whose issuer is configured",
    },
    relaxes=(
        Relaxation("RFC 9068 §4 typ", "none: token_use is access; no nonce, at_hash or c_hash"),
        Relaxation("RFC 9068 §4 aud", "client_id, where there is no aud: the API names its clients"),
        Relaxation("RFC 9068 §2.2.3.1 roles", "cognito:groups"),
        Relaxation("RFC 9068 §2.2 sub of a client's own token", "client_id, or no username"),
    ),
    source=Source(title="Amazon Cognito Developer Guide: Understanding the access token", date="2026-11"),
    login=LoginDialect(force_pkce=True, audience_parameter="resource", offline_access=False, logout="cognito"),
)
