"""What is genuine, but no access token of this API: other kinds of JWT, and tokens that are bound to a key."""

from collections.abc import Iterator
from typing import Any, Final

from proofkey.findings import Finding
from proofkey.testing.persona_words import WORDS
from proofkey.testing.token_case import HostileToken
from proofkey.testing.tokens import TokenMaker, compact_json, sign_exactly

_LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_MARKS: Final[dict[str, Any]] = {"nonce": None, "at_hash": None, "c_hash": None}


def other_kinds(make: TokenMaker) -> Iterator[HostileToken]:
    """Every other JWT that this issuer or its clients sign."""
    yield from _id_tokens(make)
    now = make.now
    logout: dict[str, object] = {"iss": make.issuer, "sub": "u1", "aud": "app", "iat": now, "exp": now + 120}
    logout |= {"jti": "l1", "events": {_LOGOUT_EVENT: {}}}
    assertion = {"iss": "app", "sub": "app", "aud": make.issuer, "iat": now, "exp": now + 60, "jti": "a1"}
    proof = {"htm": "GET", "htu": f"{make.audience}/orders", "iat": now, "jti": "p1"}
    log_out, proves = Finding.TOKEN_IS_LOGOUT_TOKEN, Finding.TOKEN_IS_CLIENT_ASSERTION
    refresh, graph = Finding.TOKEN_IS_REFRESH_TOKEN, make.claims(aud="00000003-0000-0000-c000-000000000000")
    yield HostileToken("logout token", make.sign(logout, typ="logout+jwt"), log_out)
    yield HostileToken("logout token, untyped", make.sign(logout, typ="JWT"), log_out)
    event = make.claims(events={_LOGOUT_EVENT: {}})
    yield HostileToken("logout token with every claim", make.sign(event, typ="JWT"), log_out)
    yield HostileToken("client assertion", make.sign(assertion, typ="client-authentication+jwt"), proves)
    yield HostileToken("client assertion, untyped", make.sign(assertion, typ=None), proves)
    yield HostileToken("DPoP proof", make.sign(proof, typ="dpop+jwt"), Finding.TOKEN_IS_DPOP_PROOF)
    yield HostileToken("DPoP proof, untyped", make.sign(proof, typ=None), Finding.TOKEN_IS_DPOP_PROOF)
    yield HostileToken("refresh token", make.sign(make.claims(typ="Refresh"), typ="JWT"), refresh)
    yield HostileToken("refresh token by its header", make.access_token({"typ": "rt+jwt"}), refresh)
    yield HostileToken("Microsoft Graph token", make.sign(graph, typ="JWT", nonce="n"), Finding.TOKEN_IS_GRAPH)
    for typ in ("token-introspection+jwt", "secevent+jwt", "entity-statement+jwt", "vc+sd-jwt", "jwk-set+jwt"):
        yield HostileToken(f"typ {typ}", make.access_token({"typ": typ}), Finding.TOKEN_TYPE, "8725b-3.11")


def _id_tokens(make: TokenMaker) -> Iterator[HostileToken]:
    """Also for this very API, and without the claims that only ID tokens have."""
    found = Finding.TOKEN_IS_ID_TOKEN
    yield HostileToken("ID token", make.id_token(), found)
    yield HostileToken("ID token for this API", make.id_token(aud=make.audience), found)
    yield HostileToken("ID token for client and API", make.id_token(aud=["app", make.audience]), found)
    yield HostileToken("ID token without typ", make.id_token({"typ": None}), found)
    yield HostileToken(
        "ID token for this API, nothing marks it", make.id_token(aud=make.audience, **_MARKS), found
    )


def wrong_types(make: TokenMaker) -> Iterator[HostileToken]:
    """An access token's claims under a header that does not say so."""
    types, found = WORDS[make.persona.name].types, Finding.TOKEN_TYPE
    if "jwt" not in types:
        yield HostileToken("access token typed JWT", make.access_token({"typ": "JWT"}), found)
    if "" not in types:
        yield HostileToken("access token without typ", make.access_token({"typ": None}), found)
    for name, typ in (
        ("that is no string", ["at+jwt"]),
        ("of a number", 7),
        ("with more behind it", "at+jwtx"),
        ("with a space behind it", "at+jwt "),
        ("of another media type", "text/at+jwt"),
        ("of a media type alone", "application/"),
        ("of no characters", ""),
    ):
        yield HostileToken(f"typ {name}", make.access_token({"typ": typ}), found)
    null = sign_exactly(make.key, compact_json({**make.header(), "typ": None}), compact_json(make.claims()))
    yield HostileToken("typ null", null, found)


def bound_tokens(make: TokenMaker) -> Iterator[HostileToken]:
    """RFC 9449 §7.2, RFC 8705 §3: sent as plain bearer tokens, without the proof."""
    thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    bound = Finding.TOKEN_BOUND
    for name, cnf, requirement in (
        ("a DPoP key", {"jkt": "x"}, "9449-7.2-a"),
        ("a DPoP key, in full", {"jkt": thumbprint}, "9449-7.2-a"),
        ("a certificate", {"x5t#S256": "x"}, "8705-3-b"),
        ("a certificate, in full", {"x5t#S256": thumbprint}, "8705-3-b"),
        ("both", {"jkt": thumbprint, "x5t#S256": thumbprint}, "9449-7.2-a"),
        ("a key in the token", {"jwk": make.key.public_jwk}, "9449-7.2-a"),
        ("a key by its kid", {"kid": make.key.kid}, "9449-7.2-a"),
        ("nothing", {}, "9449-7.2-a"),
        ("a string", thumbprint, "9449-7.2-a"),
        ("a list", [{"jkt": thumbprint}], "9449-7.2-a"),
    ):
        yield HostileToken(f"bound to {name}", make.access_token(cnf=cnf), bound, requirement)
    yield HostileToken("bound to null", make.sign(make.claims() | {"cnf": None}), bound)
