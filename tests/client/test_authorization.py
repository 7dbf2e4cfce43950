"""The authorization request of a client, and which answers it takes."""

from dataclasses import replace

import pytest

from proofkey.client.authorization import (
    build_login,
    check_browser,
    check_response_issuer,
    flow_name,
    read_callback,
    read_code,
)
from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.error_code import error_code
from proofkey.protocol.messages import AuthorizationResponse
from proofkey.protocol.metadata import ServerMetadata
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import Instant, Issuer, Secret
from proofkey.runtime.entropy import system_entropy
from tests.client.login_kit import API, ISSUER, config_for

NOW = Instant(1_800_000_000)
METADATA = ServerMetadata(
    issuer=Issuer(ISSUER),
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    jwks_uri=f"{ISSUER}/jwks",
    code_challenge_methods_supported=("S256",),
    authorization_response_iss_parameter_supported=True,
)
START = build_login(config_for(), METADATA, system_entropy, next_path="/me", now=NOW)
CODE = Secret("the-code")


@pytest.mark.spec("9700-2.1.1-e", "9700-2.1.2-a")
def test_the_request_asks_for_a_code_with_the_challenge_of_the_stored_verifier() -> None:
    request = START.request
    assert (request.response_type, request.response_mode) == ("code", "query")
    assert request.code_challenge_method == "S256"
    assert request.code_challenge == challenge_of(START.pending.code_verifier.reveal())


@pytest.mark.spec("OIDC Core §11")
def test_every_login_asks_for_the_configured_prompt_and_one_login_may_ask_for_another() -> None:
    config = replace(config_for(), prompt=frozenset({"consent"}))

    configured = build_login(config, METADATA, system_entropy, next_path="/", now=NOW)
    asked = build_login(config, METADATA, system_entropy, next_path="/", now=NOW, prompt=frozenset({"login"}))

    assert configured.request.prompt == {"consent"}
    assert asked.request.prompt == {"login"}
    assert not START.request.prompt


@pytest.mark.spec("9700-2.1.1-e", "OC-3.1.2.1-d")
def test_state_nonce_verifier_and_browser_secret_are_fresh_each_time_and_long_enough() -> None:
    starts = [build_login(config_for(), METADATA, system_entropy, next_path="/", now=NOW) for _ in range(20)]
    values = [
        value
        for start in starts
        for value in (
            start.request.state or "",
            start.request.nonce or "",
            start.pending.code_verifier.reveal(),
            start.browser.reveal(),
        )
    ]
    assert len(set(values)) == len(values)
    assert all(22 <= len(value) <= 64 for value in values)


def test_the_stored_login_holds_digests_of_state_and_browser_secret_only() -> None:
    assert START.pending.state_digest == Secret(START.request.state or "").digest()
    assert START.pending.browser_digest == START.browser.digest()
    assert START.browser.reveal() not in repr(START)
    assert START.pending.code_verifier.reveal() not in repr(START)


@pytest.mark.spec("8707-cli")
def test_the_resource_is_asked_for() -> None:
    assert START.request.resource == (API,)
    assert START.pending.resource == (API,)


@pytest.mark.spec("MCP25-pkce")
@pytest.mark.parametrize("methods", [(), ("plain",), ("s256",)], ids=["absent", "plain only", "wrong case"])
def test_a_login_does_not_start_when_the_provider_does_not_advertise_s256(methods: tuple[str, ...]) -> None:
    metadata = replace(METADATA, code_challenge_methods_supported=methods)
    with pytest.raises(LoginFailed) as refused:
        build_login(config_for(), metadata, system_entropy, next_path="/", now=NOW)
    assert refused.value.finding is Finding.PKCE_NOT_ADVERTISED


@pytest.mark.spec("9700-2.1-b", "9700-4.7.1-a")
def test_the_login_is_finished_by_the_browser_that_started_it() -> None:
    check_browser(START.pending, START.browser, NOW)


@pytest.mark.spec("9700-2.1-b", "9700-4.7.1-a")
@pytest.mark.parametrize(
    ("browser", "now", "finding"),
    [
        pytest.param(None, NOW, Finding.LOGIN_FOREIGN_BROWSER, id="no cookie"),
        pytest.param(Secret("other"), NOW, Finding.LOGIN_FOREIGN_BROWSER, id="another browser's cookie"),
        pytest.param(START.browser, Instant(NOW + 600), Finding.LOGIN_EXPIRED, id="too late"),
    ],
)
def test_a_login_is_not_finished_with(browser: Secret | None, now: Instant, finding: Finding) -> None:
    with pytest.raises(LoginFailed) as refused:
        check_browser(START.pending, browser, now)
    assert refused.value.finding is finding


@pytest.mark.spec("9207-2.4-a", "MCP26-iss", "9700-4.4.2-a")
@pytest.mark.parametrize(
    ("iss", "advertised", "taken"),
    [
        pytest.param(ISSUER, True, True, id="equal and advertised"),
        pytest.param(ISSUER, False, True, id="equal though not advertised"),
        pytest.param(None, False, True, id="absent and not advertised"),
        pytest.param(None, True, False, id="absent but advertised"),
        pytest.param("https://evil.test", True, False, id="another issuer"),
        pytest.param("https://evil.test", False, False, id="another issuer, not advertised"),
        pytest.param(f"{ISSUER}/", True, False, id="a slash more"),
        pytest.param(ISSUER.upper(), True, False, id="another case"),
        pytest.param(f"{ISSUER}:443", True, False, id="the default port"),
        pytest.param("", True, False, id="empty"),
    ],
)
def test_the_issuer_of_the_response_is_compared(iss: str | None, advertised: bool, taken: bool) -> None:
    metadata = replace(METADATA, authorization_response_iss_parameter_supported=advertised)
    response = AuthorizationResponse(iss=None if iss is None else Issuer(iss), state="s", code=CODE)
    if taken:
        check_response_issuer(response, START.pending, metadata)
        assert read_code(response, START.pending, metadata) == CODE
        return
    with pytest.raises(LoginFailed) as refused:
        read_code(response, START.pending, metadata)
    assert refused.value.finding is Finding.LOGIN_ISSUER


@pytest.mark.spec("9207-2.4-a")
def test_an_error_of_another_issuer_is_not_shown() -> None:
    response = AuthorizationResponse(iss=Issuer("https://evil.test"), state="s", error="call-0900-123")
    with pytest.raises(LoginFailed) as refused:
        read_code(response, START.pending, METADATA)
    assert refused.value.finding is Finding.LOGIN_ISSUER
    assert "call-0900-123" not in str(refused.value)


def test_an_error_of_the_provider_is_named_by_its_code_alone() -> None:
    response = AuthorizationResponse(
        iss=Issuer(ISSUER), state="s", error="access_denied", error_description="a text of theirs"
    )
    with pytest.raises(LoginFailed) as refused:
        read_code(response, START.pending, METADATA)
    assert refused.value.finding is Finding.LOGIN_REFUSED
    assert refused.value.facts == {"error": "access_denied"}


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ("access_denied", "access_denied"),
        ("org.example-1", "org.example-1"),
        ("<b>x</b>", "unreadable"),
        ("two words", "unreadable"),
        ("x" * 65, "unreadable"),
        ("", "unreadable"),
        ("ünder", "unreadable"),
    ],
)
def test_an_error_code_is_shown_when_it_looks_like_one(error: str, shown: str) -> None:
    assert error_code(error) == shown


@pytest.mark.spec("9700-4.7.1-b")
@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param((("code", "c"),), id="no state"),
        pytest.param((("code", "c"), ("state", "")), id="empty state"),
        pytest.param((("code", "c"), ("state", "a"), ("state", "b")), id="state twice"),
        pytest.param((("code", "c"), ("code", "d"), ("state", "a")), id="code twice"),
        pytest.param((("code", "c"), ("error", "e"), ("state", "a")), id="code and error"),
        pytest.param((("state", "a"),), id="neither code nor error"),
        pytest.param((), id="nothing"),
    ],
)
def test_a_callback_is_refused_with(pairs: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(LoginFailed):
        read_callback(pairs)


def test_the_flow_is_named_by_a_part_of_the_states_digest() -> None:
    name = flow_name(START.pending.state_digest)
    assert len(name) == 16
    assert START.pending.state_digest.startswith(name)
    assert (START.request.state or "")[:16] != name
