"""RFC 9449 §4: what a proof must be."""

import json
from contextlib import suppress

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from proofkey.errors import InvalidDpopProof, InvalidToken, OAuthError
from proofkey.findings import Finding
from proofkey.protocol import dpop
from proofkey.protocol.access_token import Confirmation
from proofkey.protocol.dpop import DpopProof, ProofKeys, build_dpop_proof, read_dpop_proof, token_hash
from proofkey.protocol.jose import thumbprint
from proofkey.protocol.proof_key import read_proof_key, thumbprint_of
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Instant, decode_base64url
from proofkey.resource_server.sender_constraint import check_key
from proofkey.testing.dpop import DpopKey
from proofkey.testing.hostile_proofs import HarmlessProof, HostileProof, harmless_proofs, hostile_proofs
from proofkey.testing.proof_case import ProofCase
from proofkey.testing.tokens import key_for_tests

CASE = ProofCase()
HOSTILE = hostile_proofs(CASE)
HARMLESS = harmless_proofs(CASE)


def read(
    proof: str, case: ProofCase = CASE, *, keys: ProofKeys | None = None, jkt: str | None = None
) -> DpopProof:
    """Everything of RFC 9449 §4.3 but nonce and replay."""
    found = read_dpop_proof(
        proof, method=case.method, url=case.url, now=case.now, access_token=case.token, keys=keys
    )
    check_key(Confirmation(jkt=jkt or case.key.jkt), found.jkt)
    return found


@pytest.mark.spec("9449-4.3-a", "X-htu", "9449-11.1-a", "9449-7.1-a", "F2-5.3.2.1-13")
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
@pytest.mark.parametrize("remembered", [False, True], ids=["new client", "known client"])
def test_a_hostile_proof_is_refused_for_its_own_reason(hostile: HostileProof, remembered: bool) -> None:
    keys = ProofKeys()
    if remembered:
        read(CASE.claiming(), keys=keys)
    with pytest.raises((InvalidDpopProof, InvalidToken)) as caught:
        read(hostile.proof, keys=keys)
    assert (caught.value.finding, caught.value.error) == (hostile.finding, hostile.error)
    assert len(keys) == (1 if remembered else 0) or hostile.finding is Finding.DPOP_KEY_OTHER


@pytest.mark.spec("9449-4.3-a", "X-htu", "F2-5.3.2.1-13")
@pytest.mark.parametrize("harmless", HARMLESS, ids=lambda harmless: harmless.name)
def test_a_harmless_proof_is_accepted(harmless: HarmlessProof) -> None:
    proof = read(harmless.proof, jkt=harmless.jkt)
    assert (proof.jkt, proof.htu) == (harmless.jkt, CASE.url)


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    names = [hostile.name for hostile in HOSTILE]
    assert len(names) == len(set(names)) >= 60
    assert len({hostile.proof for hostile in HOSTILE}) == len(HOSTILE)


@pytest.mark.spec("9449-4.2-a", "RFC 9449 §4.2")
def test_a_built_proof_has_just_what_the_standard_names() -> None:
    key = CASE.key.key
    proof = build_dpop_proof(
        key, method="POST", url="https://as.test/token?a=1#b", now=CASE.now, jti="j1", access_token="t", nonce="n1"
    )
    header, claims = (json.loads(decode_base64url(part)) for part in proof.split(".")[:2])
    assert header == {"typ": "dpop+jwt", "alg": "ES256", "jwk": CASE.key.jwk}
    assert claims == {
        "jti": "j1", "htm": "POST", "htu": "https://as.test/token", "iat": CASE.now, "ath": token_hash("t"),
        "nonce": "n1",
    }  # fmt: skip
    bare = build_dpop_proof(key, method="POST", url="https://as.test/token", now=CASE.now, jti="j1")
    assert set(json.loads(decode_base64url(bare.split(".")[1]))) == {"jti", "htm", "htu", "iat"}


@pytest.mark.spec("9449-4.3-a", "RFC 9449 §4.1")
def test_the_example_of_the_standard_is_read() -> None:
    proof = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa"
        "0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6Il"
        "AtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY2"
        "9tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FN"
        "yJK70nfbV37xRZT3Lg"
    )
    found = read_dpop_proof(
        proof, method="POST", url="https://server.example.com/token", now=Instant(1_562_262_616)
    )
    assert found.jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    assert found.jti == "-BwC3ESc6acc2lTc"


@pytest.mark.parametrize("iat", [CASE.now - 10**6, CASE.now + 10**6])
def test_without_a_window_the_time_is_left_to_the_nonce(iat: int) -> None:
    proof = CASE.claiming(iat=iat)
    found = read_dpop_proof(
        proof, method=CASE.method, url=CASE.url, now=CASE.now, access_token=CASE.token, window=None
    )
    assert found.iat == iat


@pytest.mark.spec("9449-4.3-a")
def test_an_algorithm_outside_the_list_is_refused_even_for_a_known_client() -> None:
    keys = ProofKeys()
    read(CASE.claiming(), keys=keys)
    for memo in (keys, None):
        with pytest.raises(InvalidDpopProof) as caught:
            read_dpop_proof(
                CASE.claiming(), method=CASE.method, url=CASE.url, now=CASE.now, access_token=CASE.token,
                algorithms=frozenset({"PS256"}), keys=memo,
            )  # fmt: skip
        assert caught.value.finding is Finding.DPOP_PROOF_ALGORITHM


def test_a_client_that_comes_again_costs_no_key_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counted(jwk: object, algorithm: str) -> object:
        parsed.append(algorithm)
        return read_proof_key(jwk, algorithm)

    monkeypatch.setattr(dpop, "read_proof_key", counted)
    keys = ProofKeys()
    for _ in range(3):
        read(CASE.claiming(), keys=keys)
    assert parsed == ["ES256"]


def test_a_key_that_the_cryptography_of_this_machine_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(octets: bytes) -> None:
        raise UnsupportedAlgorithm("no Ed25519 here")

    key = DpopKey(key=key_for_tests("Ed25519", "dpop"), clock=CASE.key.clock)
    proof = key.sign(CASE.claims())
    monkeypatch.setattr(Ed25519PublicKey, "from_public_bytes", unsupported, raising=True)
    with pytest.raises(InvalidDpopProof) as caught:
        read(proof, jkt=key.jkt)
    assert caught.value.finding is Finding.DPOP_PROOF_KEY


def test_the_memo_of_keys_is_bounded_and_holds_no_long_headers() -> None:
    keys = ProofKeys(size=2)
    for number in range(5):
        read(CASE.headed(kid=f"k{number}"), keys=keys)
        assert len(keys) <= 2
    full = len(keys)
    read(CASE.headed(kid="k" * 3000), keys=keys)
    assert len(keys) == full


@pytest.mark.spec("9449-5-b", "RFC 7638 §3")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "Ed25519"])
def test_the_thumbprint_is_that_of_the_jose_library(algorithm: str) -> None:
    for known in ("ES256", "RS256", "Ed25519"):
        if known == algorithm:
            jwk = key_for_tests(known).public_jwk
            assert thumbprint_of(jwk) == thumbprint(jwk)


@pytest.mark.spec("RFC 7638 §3.1")
def test_the_thumbprint_is_that_of_the_standards_example() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4"
        "n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0"
        "zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-c"
        "sFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint_of(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    "jwk",
    [{}, {"kty": 1}, {"kty": "oct", "k": "eA"}, {"kty": "EC", "crv": "P-256", "x": "a", "y": '"'}, {"kty": "RSA"}],
)
def test_what_is_no_key_has_no_thumbprint(jwk: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"kty is not known|is no base64url string"):
        thumbprint_of(jwk)


def _joserfc_keys() -> dict[str, ECKey | RSAKey | OKPKey]:
    members = key_for_tests("RS256").private_jwk
    rsa = RSAKey.import_key({name: value for name, value in members.items() if name not in ("alg", "use", "kid")})
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    keys: dict[str, ECKey | RSAKey | OKPKey] = {name: ECKey.generate_key(curve) for name, curve in curves.items()}
    keys |= dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), rsa)
    return keys | {"Ed25519": OKPKey.generate_key("Ed25519")}


@pytest.mark.spec("9449-4.3-a")
@pytest.mark.parametrize(("algorithm", "key"), list(_joserfc_keys().items()), ids=list(_joserfc_keys()))
def test_signatures_of_the_jose_library_verify_and_altered_ones_fail_at_both(
    algorithm: str, key: ECKey | RSAKey | OKPKey
) -> None:
    assert algorithm in ALGORITHM_NAMES
    jwk = {name: value for name, value in key.as_dict(private=False).items() if name != "kid"}
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk}
    registry = joserfc_jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = 8192
    proof = joserfc_jws.serialize_compact(
        header, json.dumps(CASE.claims()), key, algorithms=[algorithm], registry=registry
    )
    assert read(proof, jkt=key.thumbprint()).jkt == key.thumbprint()
    for at in (10, 40):
        signed, _, signature = proof.rpartition(".")
        altered = f"{signed}.{signature[:at]}{'A' if signature[at] != 'A' else 'B'}{signature[at + 1 :]}"
        with pytest.raises(InvalidDpopProof) as caught:
            read(altered, jkt=key.thumbprint())
        assert caught.value.finding is Finding.DPOP_PROOF_SIGNATURE
        with pytest.raises((JoseError, ValueError)):
            joserfc_jws.deserialize_compact(altered, key, algorithms=[algorithm], registry=registry)


@pytest.mark.spec("9449-4.3-a")
@pytest.mark.parametrize(
    "hostile",
    [one for one in HOSTILE if one.finding is Finding.DPOP_PROOF_SIGNATURE],
    ids=lambda one: one.name,
)
def test_the_jose_library_refuses_the_same_signatures(hostile: HostileProof) -> None:
    key = joserfc_jwk.import_key(CASE.key.jwk)
    registry = joserfc_jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    with pytest.raises((JoseError, ValueError)):
        joserfc_jws.deserialize_compact(hostile.proof, key, algorithms=["ES256"], registry=registry)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200)
@given(
    claims=st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"]), JSON),
    header=st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "crit", "kid"]), JSON),
)
def test_whatever_is_signed_nothing_but_a_refusal_comes_out(
    claims: dict[str, object], header: dict[str, object]
) -> None:
    for proof in (
        CASE.key.sign(CASE.claims() | claims),
        CASE.key.sign(CASE.claims(), CASE.header() | header),
        CASE.key.sign(CASE.claims(), CASE.header() | {"jwk": CASE.key.jwk | header}),
    ):
        with suppress(OAuthError):
            read(proof)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_\-]{0,20}\.[A-Za-z0-9_\-]{0,20}\.[A-Za-z0-9_\-]{0,20}"))
def test_whatever_is_sent_nothing_but_a_refusal_comes_out(proof: str) -> None:
    with pytest.raises(InvalidDpopProof):
        read(proof)


def test_a_key_of_the_library_signs_proofs_too() -> None:
    key = DpopKey("Ed25519", clock=CASE.key.clock)
    assert read(key.proof(CASE.method, CASE.url, token=CASE.token), jkt=key.jkt).jkt == key.jkt


@pytest.mark.spec("9449-4.3-a")
@pytest.mark.parametrize("crv", ["X25519", "Ed448", "ed25519", None, 7])
def test_the_octets_of_a_key_count_for_the_curve_that_they_are_of(crv: object) -> None:
    jwk = DpopKey("Ed25519").jwk
    assert read_proof_key(jwk, "Ed25519")
    with pytest.raises(ValueError, match="crv"):
        read_proof_key(jwk | {"crv": crv}, "Ed25519")
