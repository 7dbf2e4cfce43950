"""requirements.md §1.1 from outside: the authorization endpoint, its pages, redirect URIs."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest

from proofkey.testing.headless import HeadlessFailed, Hop
from proofkey.testing.relying_party import RelyingParty, Value
from tests.end_to_end.provider_kit import (
    API,
    CALLBACK,
    LOOPBACK,
    MAIL,
    PRIVATE,
    WITH_QUERY,
    Provider,
    fresh,
    is_refused_without_location,
    page_of,
    run_here,
    sent_back,
)

pytestmark = [pytest.mark.timeout(180)]

UNREGISTERED = [
    "https://rp.test/cb/",
    "https://rp.test/CB",
    "https://RP.test/cb",
    "https://rp.test/cb?b=2",
    "https://rp.test/cb?",
    "https://rp.test/%63b",
    "https://rp.test/cb%2Fx",
    "https://rp.test%2Fcb",
    "https://rp.test/cb/x",
    "https://rp.test/c",
    "https://rp.test:443/cb",
    "https://rp.test:8443/cb",
    "https://rp.test/x/../cb",
    "https://rp.test/./cb",
    "https://rp.test//cb",
    "https://rp.test/cb#x",
    "https://rp.test/cb;x",
    "https://evil.test/cb",
    "https://rp.test.evil.test/cb",
    "https://evil.rp.test/cb",
    "http://rp.test/cb",
    "//rp.test/cb",
    "/cb",
    "https://user@rp.test/cb",
    "https://rp.test@evil.test/cb",
    "http://localhost:80@evil.test/cb",
    "https://rp.test\\@evil.test/cb",
    "https://rp.test/cb\n",
    " https://rp.test/cb",
    "https://rp.test/cb\x00",
    "https://rp\u0131.test/cb",
    "https://rp.test/cb?code=x",
    "javascript:alert(1)",
    "data:text/html,x",
    LOOPBACK,
    "",
    None,
]


@pytest.mark.spec("9700-2.1-a", "X-redir-a", "6749-4.1.2.1-a", "threats §1.3")
@pytest.mark.parametrize("uri", UNREGISTERED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_sent_to_an_address_that_is_not_registered_letter_for_letter(
    op: Provider, uri: str | None, method: str
) -> None:
    assert is_refused_without_location(authorize(op, op.party("first").start(redirect_uri=uri).url, method))


FAULTY: list[tuple[str, dict[str, Value]]] = [
    ("scope", {"scope": "bogus"}),
    ("malformed scope", {"scope": 'a"b'}),
    ("response type", {"response_type": "token"}),
    ("no response type", {"response_type": None}),
    ("response mode", {"response_mode": "fragment"}),
    ("prompt none", {"prompt": "none"}),
    ("prompt conflict", {"prompt": "none login"}),
    ("no challenge", {"code_challenge": None, "code_challenge_method": None}),
    ("resource", {"resource": "https://unknown.test"}),
    ("request object", {"request": "e30."}),
    ("max_age", {"max_age": "x"}),
    ("hint", {"id_token_hint": "a.b.c"}),
    ("state twice", {"state": ["a", "b"]}),
]


@pytest.mark.spec("6749-4.1.2.1-a", "9700-4.11.2-a")
@pytest.mark.parametrize("changes", [pytest.param(changes, id=name) for name, changes in FAULTY])
def test_no_error_of_any_kind_goes_to_an_unproven_address(op: Provider, changes: dict[str, Value]) -> None:
    party = op.party("first")
    for proof in (
        {"redirect_uri": "https://evil.test/cb"},
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": ["first", "first"]},
        {"redirect_uri": [CALLBACK, CALLBACK]},
        {"redirect_uri": [CALLBACK, "https://evil.test/"]},
    ):
        assert is_refused_without_location(op.ask("GET", party.start(**{**changes, **proof}).url)), proof


@pytest.mark.spec("O21-2.3-a")
def test_the_query_of_a_registered_address_survives(op: Provider) -> None:
    answer = op.ask("GET", op.party("first").start(redirect_uri=WITH_QUERY, prompt="none").url)
    assert answer.headers["location"].startswith(f"{WITH_QUERY}&")
    assert sent_back(answer)["a"] == "1"


@pytest.mark.spec("9700-4.1.3-a", "8252-7.3-a", "O21-8.4.2-a", "threats §1.3")
@pytest.mark.parametrize(
    ("uri", "taken"),
    [
        (LOOPBACK, True),
        ("http://127.0.0.1:50001/cb", True),
        ("http://127.0.0.1:1/cb", True),
        ("http://[::1]:50001/cb", True),
        (PRIVATE, True),
        ("http://127.0.0.1:50001/other", False),
        ("http://127.0.0.1:50001/cb/", False),
        ("http://127.0.0.1:50001/cb?x=1", False),
        ("http://localhost:50001/cb", False),
        ("http://127.0.0.2:50001/cb", False),
        ("http://127.1:50001/cb", False),
        ("http://[::1%25eth0]:50001/cb", False),
        ("http://[::ffff:127.0.0.1]:50001/cb", False),
        ("https://127.0.0.1:50001/cb", False),
        ("http://127.0.0.1:0/cb", False),
        ("http://127.0.0.1:99999/cb", False),
        ("http://127.0.0.1:/cb", False),
        ("http://127.0.0.1:50001@evil.test/cb", False),
        ("http://127.0.0.1.evil.test:50001/cb", False),
        ("COM.acme.app:/cb", False),
        ("com.acme.app:/cb2", False),
    ],
)
def test_only_the_port_of_a_native_loopback_address_is_free(op: Provider, uri: str, taken: bool) -> None:
    answer = op.ask("GET", op.party("native", scope="openid", resource=None).start(redirect_uri=uri).url)
    if taken:
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(op.url("/interaction/"))
    else:
        assert is_refused_without_location(answer)


@pytest.mark.spec("9700-2.6-a", "O21-2.3-a", "X-redir-a", "OR-2-a", "9700-2.1-a")
@pytest.mark.parametrize(
    ("uri", "native", "taken"),
    [
        ("https://app.test/cb", False, True),
        ("https://app.test/cb?a=1", False, True),
        ("http://127.0.0.1/cb", True, True),
        ("com.acme.app:/cb", True, True),
        ("http://app.test/cb", False, False),
        ("http://app.test/cb", True, False),
        ("http://localhost/cb", False, False),
        ("https://app.test/cb#x", False, False),
        ("https://user@app.test/cb", False, False),
        ("http://localhost:80@evil.test/cb", True, False),
        ("https://app.test\\cb", False, False),
        ("https://app.test/a/../cb", False, False),
        ("https://app.test/%2e%2e/cb", False, False),
        ("https://app.test/c\tb", False, False),
        ("https://\u00e4pp.test/cb", False, False),
        ("https://app.test/cb?code=1", False, False),
        ("https://app.test/cb?state=1", False, False),
        ("https://*.app.test/cb", False, False),
        ("app.test/cb", False, False),
        ("com.acme.app:/cb", False, False),
        ("acme:/cb", True, False),
        ("JaVaScRiPt:alert(1)", True, False),
    ],
)
def test_what_may_be_registered(strict: str, uri: str, native: bool, taken: bool) -> None:
    options = ["--config", strict, *(["--native"] if native else [])]
    done = run_here("client", "add", f"c-{fresh()}", "--redirect-uri", uri, *options)
    assert done.returncode == (0 if taken else 2), done.stderr
    assert taken or ("redirect" in done.stderr.lower() and "Traceback" not in done.stderr)


@pytest.mark.spec("6749-3.1-a", "OC-3.1.2.1-a")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_parameters_are_ignored_and_empty_ones_are_absent(op: Provider, method: str) -> None:
    party = op.party("first")
    url = party.start(x="1", display="", prompt="none", state="", authorization_details="").url
    assert sent_back(authorize(op, url, method)) == {
        "error": "login_required",
        "error_description": sent_back(op.ask("GET", url))["error_description"],
        "iss": op.issuer,
    }
    code = party.authorize(op.person(), party.start(x="1", state=None, nonce="", ui_locales="de"))
    assert set(code) == {"code", "iss"}


@pytest.mark.spec("6749-3.1-a", "6749-4.1.2.1-b")
@pytest.mark.parametrize(
    "name", ["scope", "response_type", "nonce", "prompt", "code_challenge", "max_age", "state", "x"]
)
def test_a_parameter_sent_twice_is_an_invalid_request(op: Provider, name: str) -> None:
    started = op.party("first").start(**{name: ["openid", "openid"]})
    answer = sent_back(op.ask("GET", started.url))
    assert answer["error"] == "invalid_request"
    assert answer.get("state") == (None if name == "state" else started.state)
    assert answer["iss"] == op.issuer


@pytest.mark.spec(
    "6749-4.1.2.1-b", "9207-2-a", "9700-4.12-a", "OC-3.1.2.1-a", "V10-10.4.4", "V10-10.4.12", "9700-4.17.2-a"
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("client", "changes", "error"),
    [
        ("first", {"response_type": "token"}, "unsupported_response_type"),
        ("first", {"response_type": "id_token"}, "unsupported_response_type"),
        ("first", {"response_type": "code id_token"}, "unsupported_response_type"),
        ("first", {"response_type": "none"}, "unsupported_response_type"),
        ("first", {"response_type": None}, "invalid_request"),
        ("first", {"response_mode": "fragment"}, "invalid_request"),
        ("first", {"response_mode": "jwt"}, "invalid_request"),
        ("first", {"response_mode": "web_message"}, "invalid_request"),
        ("first", {"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ("first", {"request_uri": "http://169.254.169.254/x"}, "request_uri_not_supported"),
        ("first", {"scope": "openid  profile"}, "invalid_scope"),
        ("first", {"scope": 'openid "x'}, "invalid_scope"),
        ("first", {"scope": "bogus"}, "invalid_scope"),
        ("first", {"scope": "mail:read"}, "invalid_scope"),
        ("first", {"resource": "https://unknown.test"}, "invalid_target"),
        ("first", {"resource": f"{API}#x"}, "invalid_target"),
        ("first", {"resource": "api"}, "invalid_target"),
        ("first", {"resource": [API, MAIL]}, "invalid_target"),
        ("first", {"prompt": "none login"}, "invalid_request"),
        ("first", {"prompt": "none consent"}, "invalid_request"),
        ("first", {"prompt": "none"}, "login_required"),
        ("first", {"max_age": "-1"}, "invalid_request"),
        ("first", {"max_age": "x"}, "invalid_request"),
        ("first", {"id_token_hint": "garbage"}, "invalid_request"),
        ("first", {"nonce": "n" * 513}, "invalid_request"),
        ("first", {"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ("machine", {}, "unauthorized_client"),
    ],
)
def test_an_error_goes_back_with_state_and_iss(
    op: Provider, client: str, changes: dict[str, Value], error: str, method: str
) -> None:
    started = op.party(client).start(**changes)
    answer = authorize(op, started.url, method)
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    values = sent_back(answer)
    assert (values["error"], values["state"], values["iss"]) == (error, started.state, op.issuer)
    assert set(values) == {"error", "error_description", "state", "iss"}


@pytest.mark.spec("6749-4.1.2.1-b", "9207-2-a")
@pytest.mark.parametrize("changes", [{}, {"scope": "bogus"}], ids=["success", "error"])
def test_a_long_state_comes_back_byte_for_byte(op: Provider, changes: dict[str, Value]) -> None:
    state = ("a%2B+&=#/?\u00e9\u20ac\U0001f600 \"'<>" + "x" * 1200)[:1200]
    party = op.party("first")
    answer = party.authorize(op.person(), party.start(state=state, **changes))
    assert answer["state"] == state
    assert answer["iss"] == op.issuer == party.metadata.issuer


@pytest.mark.spec("8707-2-a")
def test_the_same_resource_twice_is_one(op: Provider) -> None:
    party = op.party("first")
    assert "code" in party.authorize(op.person(), party.start(resource=[API, API]))


@pytest.mark.spec("9700-4.12-a")
def test_every_redirect_of_a_login_is_a_303(op: Provider) -> None:
    hops: list[Hop] = []
    person = op.stranger("bob")
    person.browser.on_hop = hops.append
    op.party("web").code(person, prompt="consent")
    assert {hop.status for hop in hops} == {200, 303}
    assert [hop.page for hop in hops if hop.page] == ["login", "consent"]
    assert sum(hop.method == "POST" and hop.status == 303 for hop in hops) == 2


@pytest.mark.spec("OC-3.1.2.1-a", "6749-3.2-a")
def test_authorize_takes_a_form_and_nothing_else(op: Provider) -> None:
    url = op.party("first").start().url
    assert authorize(op, url, "POST").headers["location"].startswith(op.url("/interaction/"))
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = op.ask(method, url)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    json = op.ask("POST", "/authorize", json=parse_qs(urlsplit(url).query))
    assert is_refused_without_location(json)


# --- CORS, framing, foreign content ----------------------------------------------------------------------------


@pytest.mark.spec("9700-2.6-b", "F2-5.2.3")
@pytest.mark.parametrize("path", ["/authorize", "/interaction/abcdefgh", "/end-session", "/signed-out"])
@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_no_foreign_script_reads_what_a_person_sees(op: Provider, path: str, method: str) -> None:
    headers = {"origin": "https://rp.test", "access-control-request-method": "POST"}
    answer = op.ask(method, path, headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.spec("9700-2.6-c", "OD-3")
@pytest.mark.parametrize(
    "path",
    [
        "/token",
        "/revoke",
        "/userinfo",
        "/jwks",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ],
)
def test_scripts_of_any_origin_may_call_what_clients_call_but_never_with_credentials(
    op: Provider, path: str
) -> None:
    headers = {"origin": "https://spa.test", "access-control-request-method": "POST"}
    for answer in (op.ask("OPTIONS", path, headers=headers), op.ask("GET", path, headers=headers)):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    assert op.ask("OPTIONS", path, headers=headers).status_code == 204


def pages(op: Provider) -> dict[str, httpx2.Response]:
    """Every page, each from a fresh browser where it matters."""
    with op.http() as client:
        login = follow(client, client.get(op.party("web").start(prompt="login consent").url))
        form = {"username": "bob", "password": op.person("bob").password.reveal()}
        consent = follow(client, submit(client, login, form))
        logout = client.get(op.url("/end-session"))
    return {
        "login": login,
        "consent": consent,
        "logout": logout,
        "error": op.ask("GET", "/authorize"),
        "logged-out": op.ask("GET", "/signed-out"),
    }


@pytest.mark.spec("9700-4.16-a", "V3-3.4.6", "9700-4.2.4-a", "6749-5.1-a", "V3-3.4.*")
def test_every_page_stands_alone(op: Provider) -> None:
    for name, page in pages(op).items():
        assert page_of(page) == name
        policy = {part.split()[0]: part.split()[1:] for part in page.headers["content-security-policy"].split(";")}
        assert policy["frame-ancestors"] == ["'none'"]
        assert policy["default-src"] == ["'none'"]
        assert policy["base-uri"] == ["'none'"]
        assert set(policy["form-action"]) <= {"'self'", "https://rp.test"}
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        links = Links(page.text)
        assert links.tags.isdisjoint({"script", "iframe", "object", "embed"})
        assert links.urls
        assert {urlsplit(urljoin(str(page.url), url)).netloc for url in links.urls} == {urlsplit(op.issuer).netloc}


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.urls: set[str] = set()
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.urls.update(value for name, value in attrs if name in ("href", "src", "action") and value)


# --- consent and CSRF ------------------------------------------------------------------------------------------


@pytest.mark.spec("6749-10.12-b", "OC-3.1.2.3-b", "V3-3.5.1")
def test_a_form_counts_only_in_the_browser_that_it_was_made_for(op: Provider) -> None:
    password = op.person("bob").password.reveal()
    with op.http() as browser, op.http() as other:
        login = follow(browser, browser.get(op.party("web").start(prompt="login consent").url))
        other.get(op.party("web").start().url)
        forms = {"login": {"username": "bob", "password": password}, "consent": {"decision": "allow"}}
        page = login
        for name in ("login", "consent"):
            assert page_of(page) == name
            for foreign in (
                other.post(page.url, data=forms[name]),
                op.ask("POST", str(page.url), data=forms[name]),
                browser.post(page.url, data=forms[name], headers={"sec-fetch-site": "cross-site"}),
                browser.post(page.url, data=forms[name], headers={"sec-fetch-site": "same-site"}),
                browser.post(page.url, data=forms[name], headers={"origin": "https://evil.test"}),
                browser.post(page.url, data=forms[name], headers={"origin": "null"}),
            ):
                assert foreign.status_code == 403
                assert page_of(foreign) == "error"
                assert "location" not in foreign.headers
                assert not [one for one in foreign.headers.get_list("set-cookie") if "sign-in" in one]
            page = follow(browser, submit(browser, page, forms[name])) if name == "login" else page
        kept = [(one.name, one.value or "") for one in browser.cookies.jar if "flow" in one.name]
        assert "code" in sent_back(submit(browser, page, forms["consent"]))
        assert "SES-14" in submit(browser, page, forms["consent"]).text, "its cookie is gone"
        for name, value in kept:
            browser.cookies.set(name, value, domain="127.0.0.1", path="/")
        again = submit(browser, page, forms["consent"])
        assert (again.status_code, "SES-13" in again.text) == (403, True), "and it counted once"
        assert "location" not in again.headers


@pytest.mark.spec("OC-3.1.2.4-a", "V10-10.7.1", "V10-10.7.2")
def test_a_person_decides_before_anything_is_released(op: Provider) -> None:
    person = op.stranger("ida")
    party = op.party("other")
    hops: list[Hop] = []
    person.browser.on_hop = hops.append
    denied = party.authorize(person, party.start(), decision="deny")
    assert (denied["error"], denied["iss"]) == ("access_denied", op.issuer)
    assert "code" not in denied
    shown: list[str] = []
    for _ in range(2):
        hops.clear()
        assert "code" in party.authorize(person, party.start())
        shown += [hop.page for hop in hops if hop.page]
    assert shown == ["consent"], "asked after the refusal, and then not again"
    hops.clear()
    party.code(person, scope=f"{party.scope} orders:write")
    assert [hop.page for hop in hops if hop.page] == ["consent"], "asked again for more"
    hops.clear()
    party.code(person, prompt="consent")
    assert [hop.page for hop in hops if hop.page] == ["consent"]


@pytest.mark.spec("V10-10.7.2", "MCP25")
def test_the_consent_page_names_host_scopes_resource_and_time(op: Provider) -> None:
    text = pages(op)["consent"].text
    for words in ("Orders dashboard", "rp.test", "bob", API, "orders", "30 days"):
        assert words in text
    with op.http() as browser:
        page = consent_page(op, browser, op.party("native", scope="openid", resource=None))
        assert "runs on this computer" in page.text


@pytest.mark.spec("O21-7.3-a")
@pytest.mark.parametrize("client", ["native", "spa"])
def test_a_public_client_is_never_remembered(op: Provider, client: str) -> None:
    person = op.stranger("bob")
    hops: list[Hop] = []
    person.browser.on_hop = hops.append
    party = op.party(client, scope="openid", resource=None, redirect_uri=CALLBACK if client == "spa" else LOOPBACK)
    for _ in range(2):
        party.code(person)
    assert [hop.page for hop in hops if hop.page] == ["login", "consent", "consent"]
    answer = party.authorize(person, party.start(prompt="none"))
    assert answer["error"] == "consent_required"


@pytest.mark.spec("O21-1.4.1-a", "6749-3.3-a", "V10-10.4.4")
@pytest.mark.parametrize(
    ("client", "asked", "granted"),
    [
        ("first", "openid orders:read bogus", "openid orders:read"),
        ("first", "openid mail:read", "openid"),
        ("first", "orders:read", "orders:read"),
        ("once", "openid offline_access", "openid"),
        ("first", None, "openid profile email offline_access orders:read orders:write"),
        ("first", "openid openid", "openid"),
    ],
)
def test_what_was_granted_is_told(op: Provider, client: str, asked: str | None, granted: str) -> None:
    party = op.party(client)
    answer = party.redeem(*party.code(op.person(), scope=asked))
    assert answer.json()["scope"] == granted
    assert ("refresh_token" in answer.json()) is ("offline_access" in granted)
    assert ("id_token" in answer.json()) is ("openid" in granted)


def test_the_walker_stops_at_an_error_page(op: Provider) -> None:
    with pytest.raises(HeadlessFailed, match="error"):
        op.party("first").code(op.person(), redirect_uri="https://evil.test/")


# --- helpers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The configuration of a server whose issuer is https."""
    config = tmp_path_factory.mktemp("strict") / "proofkey.toml"
    config.write_text(f'[server]\nissuer = "https://op.test"\nmaster_key = "{fresh()}"\n')
    assert run_here("user", "list", "--config", str(config)).returncode == 0
    return str(config)


def authorize(op: Provider, url: str, method: str) -> httpx2.Response:
    if method == "GET":
        return op.ask("GET", url)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return op.ask("POST", "/authorize", content=urlsplit(url).query, headers=headers)


def follow(client: httpx2.Client, answer: httpx2.Response) -> httpx2.Response:
    assert answer.status_code == 303, answer.text
    return client.get(answer.headers["location"])


def submit(client: httpx2.Client, page: httpx2.Response, form: dict[str, str]) -> httpx2.Response:
    return client.post(page.url, data=form, headers={"sec-fetch-site": "same-origin"})


def consent_page(op: Provider, browser: httpx2.Client, party: RelyingParty) -> httpx2.Response:
    page = follow(browser, browser.get(party.start().url))
    form = {"username": "bob", "password": op.person("bob").password.reveal()}
    return follow(browser, submit(browser, page, form))
