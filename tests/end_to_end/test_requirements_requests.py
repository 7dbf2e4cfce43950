"""Requirements §1.5 over HTTP at a default install: pushed requests, answers by a form, and what is off."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from proofkey.testing.headless import read_page
from tests.end_to_end.provider_kit import Provider

EVIL = '"><script>alert(1)</script>'


def asked(op: Provider, client_id: str = "first", **changes: str) -> dict[str, Any]:
    """The parameters of an authorization request."""
    return dict(parse_qsl(urlsplit(op.party(client_id).start(**changes).url).query))


def push(op: Provider, client_id: str = "first", **changes: str) -> httpx2.Response:
    return op.party(client_id).post(op.url("/par"), asked(op, client_id) | changes)


@pytest.mark.spec("9126-2.2-a", "F2-5.3.2.2-12", "9126-4-a / 7.3")
def test_a_pushed_request_gives_one_code(op: Provider) -> None:
    party, person = op.party("first"), op.person()
    party.code(person)
    pushed = push(op)
    document = pushed.json()
    assert (pushed.status_code, pushed.headers["cache-control"]) == (201, "no-store")
    assert 0 < document["expires_in"] < 600
    query = {"client_id": "first", "request_uri": document["request_uri"]}
    foreign = person.browser.client.get(f"{op.url('/authorize')}?{urlencode(query | {'client_id': 'web'})}")
    assert (foreign.status_code, read_page(foreign.text)[0]) == (400, "error")
    first = person.browser.client.get(f"{op.url('/authorize')}?{urlencode(query)}")
    assert "code=" in first.headers["location"]
    second = person.browser.client.get(f"{op.url('/authorize')}?{urlencode(query)}")
    assert (second.status_code, read_page(second.text)[0]) == (400, "error")
    assert "location" not in second.headers


@pytest.mark.spec("9126-2.1-a", "9126-2.4-a")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"redirect_uri": "https://evil.test/"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "no such"}, "invalid_scope"),
        ({"request": "e30."}, "request_not_supported"),
    ],
)
def test_a_pushed_request_is_refused_at_once(op: Provider, changes: dict[str, str], error: str) -> None:
    answer = push(op, **changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.spec("9126-2.1-a", "9126-2.3-a", "V10-10.4.10")
def test_the_endpoint_takes_small_forms_of_clients_alone(op: Provider) -> None:
    http = op.party("first").http
    got = http.get(op.url("/par"))
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    large = op.party("first").post(op.url("/par"), {"state": "x" * 1_000_000})
    assert large.status_code == 413
    stranger = http.post(op.url("/par"), data=asked(op))
    assert (stranger.status_code, stranger.json()["error"]) == (401, "invalid_client")


@pytest.mark.spec("FP-2-a", "9207-2-a")
def test_an_answer_by_a_form_keeps_every_value_inert(op: Provider) -> None:
    sent = asked(op, response_mode="form_post", prompt="none", state=EVIL)
    answer = op.stranger("ann").browser.client.get(f"{op.url('/authorize')}?{urlencode(sent)}")
    name, (form,), _ = read_page(answer.text)
    assert (answer.status_code, answer.headers["cache-control"], name) == (200, "no-store", "form-post")
    assert form.action == sent["redirect_uri"]
    assert form.fields["state"] == EVIL
    assert (form.fields["error"], form.fields["iss"]) == ("login_required", op.issuer)
    assert EVIL not in answer.text
    assert "form-action https://rp.test;" in answer.headers["content-security-policy"]


@pytest.mark.spec("9101-10.2-a", "OC-6", "V10-10.4.12", "JARM")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "http://169.254.169.254/latest"}, "request_uri_not_supported"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "jwt"}, "invalid_request"),
    ],
)
def test_what_is_off_is_refused(op: Provider, changes: dict[str, str], error: str) -> None:
    http = op.party("first").http
    answer = http.get(f"{op.url('/authorize')}?{urlencode(asked(op) | changes)}")
    back = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert back["error"] == error
    metadata = http.get(op.url("/.well-known/openid-configuration")).json()
    assert metadata["request_parameter_supported"] is False
    assert metadata["request_uri_parameter_supported"] is False
    assert metadata["response_modes_supported"] == ["query", "form_post"]
    assert metadata["pushed_authorization_request_endpoint"] == op.url("/par")
