from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import (
    ConfigurationError,
    InsufficientRole,
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidDpopProof,
    InvalidToken,
    MalformedCredentials,
    NoCredentials,
    ProofkeyError,
    Unavailable,
    UseDpopNonce,
    UserNeeded,
)
from proofkey.findings import Finding
from proofkey.resource_server.challenge import Challenges, build_challenge, build_refusal, check_realm

INVALID = "The access token is not valid."
LACKING = "The access token does not allow this."
ROLE = "The user lacks a role that this operation needs: admin or auditor."
USER = "This operation needs a user; the token is a client's own."


@pytest.mark.spec("6750-3-a", "MCP26-scopes")
@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        pytest.param(NoCredentials(Finding.CREDENTIALS_NONE), 401, "Bearer", id="no credentials"),
        pytest.param(
            MalformedCredentials(Finding.CREDENTIALS_REPEATED),
            400,
            'Bearer error="invalid_request", error_description="The request is malformed."',
            id="malformed",
        ),
        pytest.param(
            InvalidToken(Finding.TOKEN_SIGNATURE),
            401,
            f'Bearer error="invalid_token", error_description="{INVALID}"',
            id="bad token",
        ),
        pytest.param(
            InsufficientScope(Finding.SCOPE_INSUFFICIENT, scope=("orders:read", "orders:write")),
            403,
            f'Bearer error="insufficient_scope", error_description="{LACKING}", scope="orders:read orders:write"',
            id="scope missing",
        ),
        pytest.param(
            InsufficientRole(Finding.ROLE_INSUFFICIENT, roles=("admin", "auditor")),
            403,
            f'Bearer error="insufficient_scope", error_description="{ROLE}"',
            id="role missing",
        ),
        pytest.param(
            UserNeeded(Finding.USER_NEEDED),
            403,
            f'Bearer error="insufficient_scope", error_description="{USER}"',
            id="client's own token",
        ),
    ],
)
def test_the_challenge_is_exactly_that_of_rfc_6750_when(error: ProofkeyError, status: int, challenge: str) -> None:
    refusal = build_refusal(error)
    assert (refusal.status, refusal.headers) == (status, {"www-authenticate": challenge})


@pytest.mark.spec("6750-3-a")
def test_without_credentials_the_answer_says_nothing_of_an_error() -> None:
    refusal = build_refusal(NoCredentials(Finding.CREDENTIALS_NONE), Challenges(realm="orders"))
    assert refusal.headers == {"www-authenticate": 'Bearer realm="orders"'}
    assert refusal.body is None


@pytest.mark.spec("V16-16.5.1")
@pytest.mark.parametrize("finding", [f for f in Finding if f.id.startswith(("TOK", "AT-", "AUD-03", "ISS-03"))])
def test_every_bad_token_gets_the_same_words(finding: Finding) -> None:
    assert build_refusal(InvalidToken(finding, kid="k1")).body == {
        "error": "invalid_token",
        "error_description": INVALID,
    }


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Unavailable(Finding.KEYS_UNAVAILABLE, retry_after=2), "2"),
        (Unavailable(Finding.OUTGOING_FAILED), "5"),
        (ConfigurationError(Finding.CONFIG_VALUE), "5"),
    ],
)
def test_what_is_not_the_callers_fault_is_503_with_retry_after(error: ProofkeyError, seconds: str) -> None:
    refusal = build_refusal(error)
    assert (refusal.status, refusal.headers) == (503, {"retry-after": seconds})
    assert refusal.body is not None
    assert refusal.body["error"] == "temporarily_unavailable"


@pytest.mark.spec("6750-3-b")
@given(
    realm=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    description=st.text(max_size=80),
    scope=st.lists(st.text(max_size=20), max_size=4),
)
def test_no_attribute_leaves_its_quotes(realm: str, description: str, scope: list[str]) -> None:
    value = build_challenge(realm=realm, error="invalid_token", description=description, scope=tuple(scope))
    assert value.isascii()
    assert value.isprintable()
    assert _names(value) == {"realm", "error", "error_description"} | ({"scope"} if "scope=" in value else set())


@pytest.mark.spec("6750-3-b")
def test_the_realm_is_escaped_as_a_quoted_string() -> None:
    assert build_challenge(realm='a "b" \\c') == 'Bearer realm="a \\"b\\" \\\\c"'


@pytest.mark.parametrize("realm", ["a\nb", "é", "x" * 201, "\x7f"])
def test_a_realm_that_no_header_can_carry_is_refused(realm: str) -> None:
    with pytest.raises(ConfigurationError):
        check_realm(realm)


def _names(challenge: str) -> set[str]:
    """Reads the attributes back as a strict client does (RFC 9110 §11.6.1)."""
    rest = challenge.removeprefix("Bearer ")
    names = set()
    while rest:
        name, rest = rest.split('="', 1)
        names.add(name)
        at = 0
        while rest[at] != '"':
            at += 2 if rest[at] == "\\" else 1
        rest = rest[at + 1 :].removeprefix(", ")
    return names


BOTH = Challenges(dpop_algorithms=("ES256", "PS256"))
ONLY_DPOP = Challenges(bearer=False, dpop_algorithms=("ES256",))
PROOF = "The DPoP proof is not valid."
MALFORMED = "The request is malformed."
NONCE = "The DPoP proof needs the nonce of this answer."


@pytest.mark.spec("9449-7.1-b", "RFC 9449 §7.1", "RFC 9449 §7.2")
@pytest.mark.parametrize(
    ("error", "scheme", "challenges", "expected"),
    [
        pytest.param(
            NoCredentials(Finding.CREDENTIALS_NONE), "Bearer", BOTH, 'Bearer, DPoP algs="ES256 PS256"', id="none"
        ),
        pytest.param(
            NoCredentials(Finding.CREDENTIALS_NONE), "DPoP", ONLY_DPOP, 'DPoP algs="ES256"', id="none, dpop"
        ),
        pytest.param(
            InvalidToken(Finding.TOKEN_BOUND),
            "Bearer",
            BOTH,
            f'Bearer error="invalid_token", error_description="{INVALID}", DPoP algs="ES256 PS256"',
            id="bad token under Bearer",
        ),
        pytest.param(
            InvalidToken(Finding.DPOP_KEY_OTHER),
            "DPoP",
            BOTH,
            f'Bearer, DPoP error="invalid_token", error_description="{INVALID}", algs="ES256 PS256"',
            id="bad token under DPoP",
        ),
        pytest.param(
            InvalidToken(Finding.DPOP_TOKEN_REQUIRED),
            "Bearer",
            ONLY_DPOP,
            f'DPoP error="invalid_token", error_description="{INVALID}", algs="ES256"',
            id="Bearer where it is not taken",
        ),
        pytest.param(
            InvalidToken(Finding.DPOP_NOT_OFFERED),
            "DPoP",
            Challenges(),
            f'Bearer error="invalid_token", error_description="{INVALID}"',
            id="DPoP where it is not taken",
        ),
        pytest.param(
            InvalidDpopProof(Finding.DPOP_PROOF_URL),
            "Bearer",
            BOTH,
            f'Bearer, DPoP error="invalid_dpop_proof", error_description="{PROOF}", algs="ES256 PS256"',
            id="bad proof",
        ),
        pytest.param(
            UseDpopNonce(Finding.DPOP_NONCE, nonce="n-1"),
            "DPoP",
            BOTH,
            f'Bearer, DPoP error="use_dpop_nonce", error_description="{NONCE}", algs="ES256 PS256"',
            id="no nonce",
        ),
        pytest.param(
            MalformedCredentials(Finding.CREDENTIALS_REPEATED),
            "Bearer",
            BOTH,
            f'Bearer error="invalid_request", error_description="{MALFORMED}", DPoP algs="ES256 PS256"',
            id="malformed under Bearer",
        ),
        pytest.param(
            MalformedCredentials(Finding.CREDENTIALS_MALFORMED),
            "DPoP",
            BOTH,
            f'Bearer, DPoP error="invalid_request", error_description="{MALFORMED}", algs="ES256 PS256"',
            id="malformed under DPoP",
        ),
        pytest.param(
            InsufficientScope(Finding.SCOPE_INSUFFICIENT, scope=("a", "b")),
            "DPoP",
            ONLY_DPOP,
            f'DPoP error="insufficient_scope", error_description="{LACKING}", scope="a b", algs="ES256"',
            id="scope missing under DPoP",
        ),
    ],
)
def test_every_offered_scheme_is_named_and_the_error_stands_under_the_fitting_one(
    error: ProofkeyError, scheme: Literal["Bearer", "DPoP"], challenges: Challenges, expected: str
) -> None:
    assert build_refusal(error, challenges, scheme=scheme).headers["www-authenticate"] == expected


@pytest.mark.spec("9449-7.1-b")
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
@pytest.mark.parametrize("challenges", [Challenges(), BOTH, ONLY_DPOP], ids=["bearer", "both", "dpop"])
@pytest.mark.parametrize(
    "error",
    [
        NoCredentials(Finding.CREDENTIALS_NONE),
        MalformedCredentials(Finding.CREDENTIALS_REPEATED),
        InvalidToken(Finding.TOKEN_BOUND),
        InvalidDpopProof(Finding.DPOP_PROOF_TIME),
        UseDpopNonce(Finding.DPOP_NONCE, nonce="n-1"),
        InsufficientScope(Finding.SCOPE_INSUFFICIENT, scope=("a",)),
        InsufficientUserAuthentication(Finding.SCOPE_INSUFFICIENT, acr_values=("high",), max_age=60),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_ever_stands_twice_or_under_no_scheme(
    error: ProofkeyError, challenges: Challenges, scheme: Literal["Bearer", "DPoP"]
) -> None:
    refusal = build_refusal(error, challenges, scheme=scheme)
    header = refusal.headers["www-authenticate"]
    assert header.count("error=") == (0 if isinstance(error, NoCredentials) else 1)
    assert header.count("Bearer") == challenges.bearer
    assert header.count("DPoP ") - header.count("The DPoP ") == bool(challenges.dpop_algorithms)
    assert header.isascii()


@pytest.mark.spec("9449-9-a", "RFC 9449 §8.2", "RFC 9449 §9")
def test_a_nonce_travels_in_its_own_header_and_the_answer_is_not_stored() -> None:
    refusal = build_refusal(UseDpopNonce(Finding.DPOP_NONCE, nonce="n-1"), BOTH, scheme="DPoP")
    assert (refusal.status, refusal.headers["dpop-nonce"], refusal.headers["cache-control"]) == (
        401,
        "n-1",
        "no-store",
    )
    assert refusal.body == {"error": "use_dpop_nonce", "error_description": NONCE}
    other = build_refusal(InvalidDpopProof(Finding.DPOP_PROOF_TIME), BOTH, scheme="DPoP")
    assert set(other.headers) == {"www-authenticate"}
    assert other.status == 401


@pytest.mark.spec("V16-16.5.1")
@pytest.mark.parametrize("finding", [f for f in Finding if f.id.startswith("DPOP")], ids=lambda f: f.id)
def test_every_bad_proof_gets_the_same_words(finding: Finding) -> None:
    refusal = build_refusal(InvalidDpopProof(finding, htu="https://secret.test"), BOTH, scheme="DPoP")
    assert refusal.body == {"error": "invalid_dpop_proof", "error_description": PROOF}
    assert "secret" not in str(refusal.headers)
