"""requirements.md §1.10 from outside: clients that register themselves at two workers on one SQLite file."""

import json
import threading
from collections.abc import Callable, Generator
from typing import Any

import httpx2
import pytest

from proofkey.protocol.text import Secret, digest_of
from proofkey.testing.headless import read_page
from proofkey.testing.relying_party import RelyingParty
from tests.end_to_end.provider_kit import API, BYE, CALLBACK, Provider, running_provider

pytestmark = [pytest.mark.timeout(180)]

INITIAL = "Zq8Nf3Lx7Vb2Rk9Tm4Wc6Yd1Hs5Jp0Gu"
SECOND = "Pk2Rz7Mw4Xt9Bn6Lc1Vf8Qh3Ys5Dj0Ga"
DOCUMENT: dict[str, Any] = {
    "redirect_uris": [CALLBACK],
    "post_logout_redirect_uris": [BYE],
    "client_name": "Own orders",
    "grant_types": ["authorization_code", "refresh_token"],
}
OWN = (
    *("registration_access_token", "registration_client_uri"),
    *("client_secret_expires_at", "client_id_issued_at"),
)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    folder = tmp_path_factory.mktemp("registration")
    file = folder / "initial.tokens"
    file.touch(mode=0o600)
    file.write_text(f"{INITIAL}\n{SECOND}\n")
    registration = {"initial_access_tokens_file": file.name}
    with running_provider(folder, features=["par", "registration"], registration=registration) as provider:
        provider.seen.update((INITIAL, SECOND))
        yield provider


@pytest.fixture(scope="module")
def open_provider(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    folder = tmp_path_factory.mktemp("open")
    registration = {"allow_insecure_open": True, "scope": "openid orders:read", "unused_days": 1}
    with running_provider(folder, features=["registration"], registration=registration) as provider:
        yield provider


def post(
    provider: Provider, document: object = None, token: str | None = INITIAL, **headers: str
) -> httpx2.Response:
    content = document if isinstance(document, str | bytes) else json.dumps(document or DOCUMENT)
    sent = {"content-type": "application/json", **bearer(token), **headers}
    return provider.ask("POST", "/register", content=content, headers=sent)


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def register(provider: Provider, token: str | None = INITIAL, **changes: Any) -> dict[str, Any]:
    answer = post(provider, {**DOCUMENT, **changes}, token)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    provider.seen.update(told[name] for name in ("client_secret", "registration_access_token") if name in told)
    return told


def manage(
    provider: Provider, method: str, told: dict[str, Any], token: str | None = None, **options: Any
) -> httpx2.Response:
    token = token or told["registration_access_token"]
    answer = provider.ask(method, told["registration_client_uri"], headers=bearer(token), **options)
    if answer.status_code == 200 and method != "HEAD":
        provider.seen.add(answer.json()["registration_access_token"])
    return answer


def anew(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**told, **changes}.items() if name not in OWN}


def party(provider: Provider, told: dict[str, Any]) -> RelyingParty:
    secret = Secret(told["client_secret"]) if "client_secret" in told else None
    options = {"redirect_uri": told["redirect_uris"][0], "secret": secret, "http": provider.http()}
    return RelyingParty(
        provider.issuer, told["client_id"], scope="openid offline_access orders:read", resource=API, **options
    )


def everywhere(status: Callable[[], int]) -> set[int]:
    """What both workers say, as far as twelve new connections show."""
    return {status() for _ in range(12)}


@pytest.mark.spec("7591-3-a", "6749-5.1-a / O21-3.2.3-a")
def test_a_client_registers_and_signs_people_in(provider: Provider) -> None:
    answer = post(provider, {**DOCUMENT, "logo_uri": None, "unheard_of": [1]})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert {name: told[name] for name in DOCUMENT} == DOCUMENT
    assert told["client_secret_expires_at"] == 0
    assert abs(told["client_id_issued_at"] - provider.now()) < 60
    assert "unheard_of" not in told
    rp, ann = party(provider, told), provider.stranger("ann")
    tokens = rp.sign_in(ann)
    assert rp.refresh(tokens.refresh_token).status_code == 200
    assert everywhere(lambda: manage(provider, "GET", told).status_code) == {200}


@pytest.mark.spec("7591-5-a / V10-10.4.7")
@pytest.mark.parametrize(
    "token", [None, "x" * 40, digest_of(INITIAL), f"{INITIAL} {SECOND}"], ids=lambda one: str(one)[:4]
)
def test_without_an_initial_access_token_nobody_registers(provider: Provider, token: str | None) -> None:
    answer = post(provider, DOCUMENT, token)
    assert answer.status_code == (400 if token and " " in token else 401)
    challenge = answer.headers.get("www-authenticate", "")
    assert challenge.startswith('Bearer realm="registration"') or answer.status_code == 400
    assert ("error=" in challenge) is (token is not None and " " not in token)
    assert set(answer.json()) == {"error", "error_description"}


def test_each_token_of_the_file_opens_it_as_often_as_it_is_sent(provider: Provider) -> None:
    for token in (INITIAL, SECOND, SECOND):
        assert register(provider, token)


@pytest.mark.spec("7591-3-a", "6749-5.2-a")
@pytest.mark.parametrize(
    ("body", "content_type", "status", "error"),
    [
        ('{"redirect_uris":["http://rp.test/cb"]}', "application/json", 400, "invalid_redirect_uri"),
        ('{"grant_types":["password"]}', "application/json", 400, "invalid_client_metadata"),
        ('{"redirect_uris":["https://rp.test/cb"],"scope":7}', "application/json", 400, "invalid_client_metadata"),
        ("{}", "application/json", 400, "invalid_redirect_uri"),
        ("{}", "application/x-www-form-urlencoded", 400, "invalid_request"),
        ("{}", "text/plain", 400, "invalid_request"),
        ("{}", "application/json; charset=utf-16", 400, "invalid_request"),
        ("{}", "multipart/form-data; boundary=x", 400, "invalid_request"),
        ("", "application/json", 400, "invalid_request"),
        ("null", "application/json", 400, "invalid_request"),
        ("[]", "application/json", 400, "invalid_request"),
        ('"text"', "application/json", 400, "invalid_request"),
        ("{", "application/json", 400, "invalid_request"),
        ('{"scope":"openid","scope":"admin"}', "application/json", 400, "invalid_request"),
        ('{"a":' + "[" * 60 + "]" * 60 + "}", "application/json", 400, "invalid_request"),
        ('{"a":NaN}', "application/json", 400, "invalid_request"),
        ('{"a":1e999}', "application/json", 400, "invalid_request"),
        ('{"client_name":"\\ud800"}', "application/json", 400, "invalid_request"),
        ('{"a":"' + "x" * 70_000 + '"}', "application/json", 413, "invalid_request"),
    ],
    ids=[
        *("http", "password", "scope", "nothing", "form", "text", "charset", "multipart", "empty", "null", "list"),
        *("string", "broken", "twice", "deep", "NaN", "infinite", "surrogate", "large"),
    ],
)
def test_a_document_is_refused(provider: Provider, body: str, content_type: str, status: int, error: str) -> None:
    answer = post(provider, body, **{"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.spec("9700-2.6-c / OD-3")
def test_browser_clients_may_register_and_nothing_is_said_about_credentials(provider: Provider) -> None:
    told = register(provider)
    for path, methods in (("/register", "POST"), (told["registration_client_uri"], "GET, HEAD, PUT, DELETE")):
        preflight = provider.ask("OPTIONS", path, headers={"origin": "https://app.test"})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-methods"] == methods
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in preflight.headers
    assert post(provider, DOCUMENT, None).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/register", 405),
        ("PUT", "/register", 405),
        ("POST", "/register/abcdefgh", 405),
        ("PATCH", "/register/abcdefgh", 405),
        ("GET", "/register/abcdefgh", 401),
        ("GET", "/register/", 401),
        ("GET", "/register/a/b", 401),
        ("GET", "/register/%00%ff", 401),
        ("GET", "/register/" + "a" * 3000, 401),
        ("POST", "//register", 404),
        ("POST", "/Register", 404),
    ],
)
def test_other_ways_there_are_refused_in_order(provider: Provider, method: str, path: str, status: int) -> None:
    answer = provider.ask(method, path, content="{}", headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "error_description"}


@pytest.mark.spec("7592 †", "threats §2.37")
def test_a_registration_is_read_changed_and_deleted_by_its_own_token_alone(provider: Provider) -> None:
    told, other = register(provider), register(provider)
    foreign = manage(provider, "GET", told, other["registration_access_token"])
    unknown = provider.ask("GET", f"/register/{'x' * 43}", headers=bearer(told["registration_access_token"]))
    assert foreign.status_code == unknown.status_code == 401
    assert foreign.content == unknown.content
    assert foreign.headers["www-authenticate"] == unknown.headers["www-authenticate"]
    read = manage(provider, "GET", told)
    assert read.json() == {name: value for name, value in told.items() if name != "client_secret"}
    assert manage(provider, "HEAD", told).content == b""
    widened = manage(provider, "PUT", told, json=anew(told, grant_types=["client_credentials"]))
    assert (widened.status_code, widened.json()["error"]) == (400, "invalid_client_metadata")
    changed = manage(provider, "PUT", told, json=anew(told, client_name="New name"))
    assert (changed.status_code, changed.json()["client_name"]) == (200, "New name")
    assert everywhere(lambda: manage(provider, "GET", told).status_code) == {401}
    assert manage(provider, "GET", changed.json()).json()["client_name"] == "New name"


@pytest.mark.spec("7592 †")
def test_a_deleted_client_and_its_grants_are_dead_on_every_worker(provider: Provider) -> None:
    told = register(provider)
    rp, ann = party(provider, told), provider.stranger("ann")
    tokens = rp.sign_in(ann)
    assert tokens.refresh_token
    assert rp.userinfo(tokens.access_token).status_code == 200
    deleted = manage(provider, "DELETE", told)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert everywhere(lambda: party(provider, told).refresh(tokens.refresh_token).status_code) == {401}
    assert everywhere(lambda: party(provider, told).userinfo(tokens.access_token).status_code) == {401}
    assert everywhere(lambda: manage(provider, "GET", told).status_code) == {401}
    assert manage(provider, "DELETE", told).status_code == 401
    page = provider.ask("GET", rp.start().url)
    assert (page.status_code, "location" in page.headers) == (400, False)


@pytest.mark.spec("7592 †")
def test_of_many_updates_with_one_token_one_is_done(provider: Provider) -> None:
    told = register(provider)
    gate, statuses = threading.Barrier(12), []

    def update(number: int) -> None:
        gate.wait(30)
        answer = manage(provider, "PUT", told, json=anew(told, client_name=f"Number {number}"))
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=update, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) == [200, *[401] * 11]


@pytest.mark.spec("9700-4.11.2-b", "6749-4.1.2.1-a / 9700-4.11.2-a")
@pytest.mark.parametrize(
    "changes", [{"scope": "bogus"}, {"code_challenge_method": "plain"}, {"resource": "https://evil.test"}]
)
def test_a_stranger_gets_nobody_sent_to_it_before_a_sign_in(provider: Provider, changes: dict[str, str]) -> None:
    told = register(provider, redirect_uris=["https://evil.test/cb"], token_endpoint_auth_method="none")
    answer = provider.ask("GET", party(provider, told).start(**changes).url)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert read_page(answer.text)[0] == "error"


@pytest.mark.spec("7591-5-a / V10-10.4.7", "CIMD-6.4-b")
def test_the_consent_page_says_where_it_leads_and_that_nobody_vouches(provider: Provider) -> None:
    told = register(provider, client_name="<b>Own</b> Bank", logo_uri="https://rp.test/logo.png")
    rp, ann = party(provider, told), provider.stranger("ann")
    started = rp.start()
    client = ann.browser.client
    page = client.get(client.get(started.url).headers["location"])
    done = client.post(str(page.url), data={"username": "ann", "password": ann.password.reveal()})
    consent = client.get(done.headers["location"])
    assert read_page(consent.text)[0] == "consent"
    assert "registered itself" in consent.text
    assert "rp.test" in consent.text
    assert "<b>Own</b>" not in consent.text
    assert "logo.png" not in consent.text


@pytest.mark.spec("requirements §7")
def test_the_server_announces_the_endpoint(provider: Provider) -> None:
    document = provider.ask("GET", "/.well-known/openid-configuration").json()
    assert document["registration_endpoint"] == f"{provider.issuer}/register"


@pytest.mark.spec("7591-5-a / V10-10.4.7", "threats §2.37")
def test_an_open_endpoint_is_throttled_by_address_and_keeps_to_the_scope(open_provider: Provider) -> None:
    told = register(open_provider, None, token_endpoint_auth_method="none")
    assert told["scope"] == "openid orders:read"
    statuses = [
        post(open_provider, DOCUMENT, None, **{"x-forwarded-for": "192.0.2.7"}).status_code for _ in range(61)
    ]
    assert statuses == [*[201] * 60, 429]
    refused = post(open_provider, DOCUMENT, None, **{"x-forwarded-for": "192.0.2.7"})
    assert int(refused.headers["retry-after"]) > 0
    wider = party(open_provider, told).start(scope="orders:write", resource=API)
    with open_provider.http() as client:
        assert client.get(wider.url).status_code == 400


@pytest.mark.spec("7591-5-a / V10-10.4.7")
def test_a_client_that_nobody_wanted_is_forgotten(open_provider: Provider) -> None:
    told = register(open_provider, None)
    wanted = register(open_provider, None)
    party(open_provider, wanted).sign_in(open_provider.stranger("ann"))
    open_provider.turn(2 * 86_400)
    assert open_provider.run("purge").returncode == 0
    assert everywhere(lambda: manage(open_provider, "GET", told).status_code) == {401}
    assert everywhere(lambda: manage(open_provider, "GET", wanted).status_code) == {200}
