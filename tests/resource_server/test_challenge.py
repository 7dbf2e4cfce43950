import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofkey.errors import (
    ConfigurationError,
    InsufficientRole,
    InsufficientScope,
    InvalidToken,
    MalformedCredentials,
    NoCredentials,
    ProofkeyError,
    Unavailable,
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
