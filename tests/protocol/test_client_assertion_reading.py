"""Client assertions as the server reads them: one rule, one refusal."""

import hmac
import json
from typing import Any

import pytest

from proofkey.errors import InvalidClient
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import (
    ClientAssertion,
    build_client_assertion,
    client_keys,
    read_client_assertion,
)
from proofkey.protocol.jose import SIGNING_ALGORITHMS, SigningAlgorithm, SigningKey
from proofkey.protocol.registration import ClientRegistration
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, encode_base64url
from proofkey.testing.tokens import compact_json, key_for_tests, key_set_document, sign_exactly

ISSUER = Issuer("https://op.test")
NOW = Instant(1_800_000_000)
KEY = key_for_tests("ES256", "client-key")
OTHER = key_for_tests("ES256", "other-key")


def client(*keys: SigningKey, **changes: Any) -> ClientRegistration:
    members: dict[str, Any] = {
        "client_id": ClientId("web"),
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": key_set_document(*(keys or (KEY,))).decode(),
    }
    return ClientRegistration(**members | changes)


def claims(**changes: object) -> dict[str, Any]:
    honest = {"iss": "web", "sub": "web", "aud": ISSUER, "jti": "j-1", "iat": NOW, "exp": NOW + 60}
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}


def signed(payload: object = None, key: SigningKey = KEY, **header: object) -> str:
    honest = {"alg": key.algorithm, "kid": key.kid, "typ": "client-authentication+jwt"}
    head = {name: value for name, value in {**honest, **header}.items() if value is not None}
    return sign_exactly(key, compact_json(head), compact_json(claims() if payload is None else payload))


def read(assertion: str, registered: ClientRegistration | None = None) -> ClientAssertion:
    return read_client_assertion(Secret(assertion), registered or client(), issuer=ISSUER, now=NOW)


@pytest.mark.spec("7523b-4-a", "7523-3-a", "9700-2.5-a")
@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_what_our_own_clients_build_is_read(algorithm: SigningAlgorithm) -> None:
    key = key_for_tests(algorithm, "client-key")
    made = build_client_assertion(key, client_id=ClientId("web"), audience=ISSUER, now=NOW, jti="fresh-1")
    registered = client(key, token_endpoint_auth_signing_alg=algorithm)
    assert read(made, registered) == ("fresh-1", NOW + 60, NOW)


@pytest.mark.spec("7523b-4-a", "7523b-4-b", "F2-5.3.2.1-13")
@pytest.mark.parametrize(
    "assertion",
    [
        pytest.param(signed(typ=None), id="no typ"),
        pytest.param(signed(typ="JWT"), id="typ JWT"),
        pytest.param(signed(typ="application/client-authentication+JWT"), id="typ as a media type"),
        pytest.param(signed(claims(aud=[ISSUER])), id="aud a list of one"),
        pytest.param(signed(claims(iat=None)), id="no iat"),
        pytest.param(signed(claims(iat=NOW + 8, nbf=NOW + 8, exp=NOW + 68)), id="8 s ahead"),
        pytest.param(signed(claims(iat=NOW + 10, nbf=NOW + 10)), id="10 s ahead"),
        pytest.param(signed(claims(exp=NOW + 300)), id="five minutes"),
        pytest.param(signed(claims(exp=NOW - 9)), id="over for 9 s"),
        pytest.param(signed(kid=None), id="no kid, one key"),
        pytest.param(signed(claims(scope="x", deep={"a": [1]})), id="unknown claims"),
    ],
)
def test_an_unusual_assertion_is_read(assertion: str) -> None:
    assert read(assertion)[0] == "j-1"


@pytest.mark.spec("7523b-4-a", "7523b-4-b", "7523-3-a", "F2-5.3.2.1-8", "F2-5.3.2.1-13")
@pytest.mark.parametrize(
    ("assertion", "finding"),
    [
        pytest.param(signed(claims(aud=f"{ISSUER}/token")), Finding.ASSERTION_AUDIENCE, id="aud token endpoint"),
        pytest.param(signed(claims(aud=f"{ISSUER}/")), Finding.ASSERTION_AUDIENCE, id="aud with a slash"),
        pytest.param(signed(claims(aud=[ISSUER, "x"])), Finding.ASSERTION_AUDIENCE, id="aud and another"),
        pytest.param(signed(claims(aud=[ISSUER, ISSUER])), Finding.ASSERTION_AUDIENCE, id="aud twice"),
        pytest.param(signed(claims(aud=[])), Finding.ASSERTION_AUDIENCE, id="aud empty"),
        pytest.param(signed(claims(aud=None)), Finding.ASSERTION_AUDIENCE, id="no aud"),
        pytest.param(signed(claims(aud={"a": ISSUER})), Finding.ASSERTION_AUDIENCE, id="aud an object"),
        pytest.param(signed(claims(iss="other")), Finding.ASSERTION_CLIENT, id="another iss"),
        pytest.param(signed(claims(sub="other")), Finding.ASSERTION_CLIENT, id="another sub"),
        pytest.param(signed(claims(iss=["web"])), Finding.TOKEN_CLAIM_TYPE, id="iss a list"),
        pytest.param(signed(claims(iss=None)), Finding.TOKEN_CLAIM_MISSING, id="no iss"),
        pytest.param(signed(claims(exp=None)), Finding.TOKEN_CLAIM_MISSING, id="no exp"),
        pytest.param(signed(claims(exp=str(NOW + 60))), Finding.TOKEN_CLAIM_TYPE, id="exp a string"),
        pytest.param(signed(claims(exp=True)), Finding.TOKEN_CLAIM_TYPE, id="exp a boolean"),
        pytest.param(signed(claims(jti=None)), Finding.TOKEN_CLAIM_MISSING, id="no jti"),
        pytest.param(signed(claims(jti="")), Finding.TOKEN_CLAIM_TYPE, id="jti empty"),
        pytest.param(signed(claims(jti="j" * 513)), Finding.TOKEN_CLAIM_TYPE, id="jti too long"),
        pytest.param(signed(claims(exp=NOW + 86_400)), Finding.ASSERTION_TIME, id="exp in a day"),
        pytest.param(signed(claims(exp=NOW + 311)), Finding.ASSERTION_TIME, id="exp in 311 s"),
        pytest.param(signed(claims(exp=NOW - 10)), Finding.ASSERTION_TIME, id="over for 10 s"),
        pytest.param(signed(claims(exp=NOW - 300)), Finding.ASSERTION_TIME, id="over for 5 min"),
        pytest.param(signed(claims(iat=NOW + 60, exp=NOW + 120)), Finding.ASSERTION_TIME, id="iat 60 s ahead"),
        pytest.param(signed(claims(iat=NOW + 11)), Finding.ASSERTION_TIME, id="iat 11 s ahead"),
        pytest.param(signed(claims(nbf=NOW + 60)), Finding.ASSERTION_TIME, id="nbf 60 s ahead"),
        pytest.param(signed(typ="at+jwt"), Finding.ASSERTION_TYPE, id="typ of an access token"),
        pytest.param(signed(typ="dpop+jwt"), Finding.ASSERTION_TYPE, id="typ of a proof"),
        pytest.param(signed(typ=["JWT"]), Finding.ASSERTION_TYPE, id="typ a list"),
        pytest.param(signed(crit=["exp"]), Finding.TOKEN_CRIT, id="crit"),
        pytest.param(signed(alg="none"), Finding.TOKEN_ALGORITHM, id="alg none"),
        pytest.param(signed(alg="HS256"), Finding.TOKEN_ALGORITHM, id="alg HS256"),
        pytest.param(signed(alg="RS256"), Finding.TOKEN_ALGORITHM, id="alg of another kind"),
        pytest.param(signed(key=OTHER), Finding.TOKEN_KEY_UNKNOWN, id="a key of somebody else"),
        pytest.param(signed(key=OTHER, kid=KEY.kid), Finding.TOKEN_SIGNATURE, id="under a registered kid"),
        pytest.param(
            signed(key=OTHER, kid=None, jwk=OTHER.public_jwk), Finding.TOKEN_SIGNATURE, id="a key in the header"
        ),
        pytest.param(signed([claims()]), Finding.TOKEN_JSON, id="a list"),
        pytest.param(f"{signed()}.", Finding.TOKEN_NOT_COMPACT, id="four parts"),
        pytest.param("x" * 20_000, Finding.TOKEN_TOO_LARGE, id="too large"),
    ],
)
def test_an_assertion_is_refused(assertion: str, finding: Finding) -> None:
    with pytest.raises(InvalidClient) as refused:
        read(assertion)
    assert refused.value.finding is finding
    assert refused.value.description == "Client authentication failed."


def test_an_hmac_over_the_public_key_is_refused() -> None:
    jwk = key_for_tests("RS256", "client-key")
    header = compact_json({"alg": "HS256", "kid": jwk.kid})
    body = f"{encode_base64url(header)}.{encode_base64url(compact_json(claims()))}"
    secret = json.dumps(jwk.public_jwk).encode()
    forged = f"{body}.{encode_base64url(hmac.digest(secret, body.encode(), 'sha256'))}"
    with pytest.raises(InvalidClient) as refused:
        read(forged, client(jwk))
    assert refused.value.finding is Finding.TOKEN_ALGORITHM


@pytest.mark.spec("7523-3-a")
def test_the_registered_algorithm_alone_is_taken() -> None:
    rsa = key_for_tests("RS256", "rsa-key")
    both = client(KEY, rsa, token_endpoint_auth_signing_alg="ES256")
    assert read(signed(), both)
    with pytest.raises(InvalidClient) as refused:
        read(signed(key=rsa), both)
    assert refused.value.finding is Finding.TOKEN_ALGORITHM


def test_a_key_without_alg_is_for_the_registered_algorithm() -> None:
    key = key_for_tests("PS256", "rsa-key")
    jwk = {name: value for name, value in key.public_jwk.items() if name != "alg"}
    registered = client(jwks=json.dumps({"keys": [jwk]}), token_endpoint_auth_signing_alg="PS256")
    assert read(signed(key=key), registered)
    assert client_keys(registered.jwks or "", None).find("rsa-key", "RS256")


def test_ed25519_has_two_names() -> None:
    key = key_for_tests("Ed25519", "ed-key")
    for name in ("Ed25519", "EdDSA"):
        registered = client(key, token_endpoint_auth_signing_alg=name)
        assert read(signed(key=key), registered)
        assert read(signed(key=key, alg="EdDSA"), registered)


@pytest.mark.parametrize("jwks", [None, "", "[]", "{}", '{"keys": 1}', '{"keys": []}'])
def test_a_client_without_keys_proves_nothing(jwks: str | None) -> None:
    with pytest.raises(InvalidClient):
        read(signed(), client(jwks=jwks))
