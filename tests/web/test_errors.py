"""One error, one answer: registered code, right status, right headers, and no more words than allowed."""

import pytest
from starlette.datastructures import Headers

from proofkey import errors
from proofkey.errors import ProofkeyError
from proofkey.findings import Finding
from proofkey.web.errors import Face, read_problem

BASIC = Headers({"authorization": "Basic Y2xpZW50OnNlY3JldA=="})
NONE = Headers({})


@pytest.mark.spec("6749-5.2-a", "6749-5.2-b", "9126-2.3-a", "X-keys-down")
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidRequest(Finding.PARAMETER_MISSING), 400, "invalid_request"),
        (errors.InvalidRequest(Finding.PARAMETER_REPEATED), 400, "invalid_request"),
        (errors.InvalidRequest(Finding.CONTENT_TYPE_WRONG), 400, "invalid_request"),
        (errors.InvalidRequest(Finding.BODY_TOO_LARGE), 413, "invalid_request"),
        (errors.InvalidRequest(Finding.BODY_TOO_SLOW), 408, "invalid_request"),
        (errors.InvalidRequest(Finding.HEADERS_TOO_LARGE), 431, "invalid_request"),
        (errors.InvalidRequest(Finding.METHOD_WRONG, allow="POST"), 405, "invalid_request"),
        (errors.InvalidRequest(Finding.PATH_UNKNOWN), 404, "not_found"),
        (errors.InvalidClient(Finding.CLIENT_UNKNOWN), 401, "invalid_client"),
        (errors.InvalidClient(Finding.CLIENT_SECRET_WRONG), 401, "invalid_client"),
        (errors.InvalidGrant(Finding.CODE_USED), 400, "invalid_grant"),
        (errors.InvalidScope(Finding.SCOPE_WIDER), 400, "invalid_scope"),
        (errors.InvalidTarget(Finding.RESOURCE_UNKNOWN), 400, "invalid_target"),
        (errors.UnauthorizedClient(Finding.CLIENT_GRANT_NOT_ALLOWED), 400, "unauthorized_client"),
        (errors.UnsupportedGrantType(Finding.GRANT_TYPE_UNKNOWN), 400, "unsupported_grant_type"),
        (errors.TooManyRequests(retry_after=30), 429, "temporarily_unavailable"),
        (errors.Unavailable(Finding.BUSY), 503, "temporarily_unavailable"),
        (errors.AccessDenied(Finding.CROSS_SITE), 403, "access_denied"),
        (errors.ServerError(Finding.INTERNAL), 500, "server_error"),
        (errors.ConfigurationError(Finding.STORE_UNAVAILABLE), 500, "server_error"),
        (errors.ProofkeyError(Finding.MASTER_KEY_WRONG), 500, "server_error"),
    ],
    ids=lambda value: str(value.finding) if isinstance(value, ProofkeyError) else str(value),
)
def test_a_client_is_told(error: ProofkeyError, status: int, code: str) -> None:
    problem = read_problem(error, "oauth", NONE)
    assert (problem.status, problem.error) == (status, code)
    assert problem.document().keys() == {"error", "error_description"}
    assert "WWW-Authenticate" not in problem.headers


@pytest.mark.spec("threats §2.26")
def test_an_unknown_client_and_a_wrong_secret_get_the_same_answer() -> None:
    unknown = read_problem(errors.InvalidClient(Finding.CLIENT_UNKNOWN, client_id="x"), "oauth", BASIC)
    wrong = read_problem(errors.InvalidClient(Finding.CLIENT_SECRET_WRONG, client_id="web"), "oauth", BASIC)
    assert unknown == wrong


@pytest.mark.spec("6749-5.2-b")
@pytest.mark.parametrize("sent", ["Basic x", "basic x", "BASIC", " Basic x"])
def test_a_client_that_used_basic_is_challenged_for_it(sent: str) -> None:
    problem = read_problem(errors.InvalidClient(Finding.CLIENT_UNKNOWN), "oauth", Headers({"authorization": sent}))
    assert problem.status == 401
    assert problem.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "error", [errors.TooManyRequests(retry_after=7), errors.Unavailable(Finding.BUSY, retry_after=7)]
)
@pytest.mark.parametrize("face", ["page", "oauth", "bearer"])
def test_who_shall_wait_is_told_how_long(error: ProofkeyError, face: Face) -> None:
    assert read_problem(error, face, NONE).headers["Retry-After"] == "7"


@pytest.mark.spec("6750-3-a", "6750-3-b")
@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        (errors.NoCredentials(Finding.CREDENTIALS_NONE), 401, 'Bearer realm="userinfo"'),
        (errors.InvalidToken(Finding.TOKEN_EXPIRED), 401, 'error="invalid_token"'),
        (errors.MalformedCredentials(Finding.CREDENTIALS_MALFORMED), 400, 'error="invalid_request"'),
        (errors.InsufficientScope(Finding.SCOPE_INSUFFICIENT, scope=("openid",)), 403, 'scope="openid"'),
    ],
    ids=lambda value: str(value.finding) if isinstance(value, ProofkeyError) else None,
)
def test_the_holder_of_a_token_is_challenged(error: ProofkeyError, status: int, challenge: str) -> None:
    problem = read_problem(error, "bearer", NONE)
    assert problem.status == status
    assert challenge in problem.headers["WWW-Authenticate"]
    assert ("error" in problem.headers["WWW-Authenticate"]) is not isinstance(error, errors.NoCredentials)


@pytest.mark.spec("6749-5.2-a", "V16-16.5.1")
@pytest.mark.parametrize("finding", list(Finding), ids=lambda finding: finding.id)
def test_no_description_has_a_character_that_the_standard_forbids(finding: Finding) -> None:
    problem = read_problem(errors.InvalidRequest(finding, secret="canary"), "oauth", NONE)
    assert set(problem.description) <= {chr(code) for code in range(0x20, 0x7F)} - {'"', "\\"}
    assert "canary" not in str(problem)
