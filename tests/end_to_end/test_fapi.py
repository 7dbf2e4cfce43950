"""FAPI 2.0 over HTTP: `proofkey serve` with `profile = "fapi2"` and two workers on one SQLite file."""

import json
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest

from proofkey.protocol.client_assertion import HEADER_TYPE as ASSERTION
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.request_object import HEADER_TYPE as REQUEST_OBJECT
from proofkey.protocol.text import Instant, Secret, decode_base64url
from proofkey.runtime.clock import CLOCK_FILE
from proofkey.testing.client_certificate import ClientCertificate, make_client_certificate
from proofkey.testing.dpop import DpopKey
from proofkey.testing.headless import HeadlessBrowser, read_page
from proofkey.testing.server import ServerFailed, free_port, running_server, write_server_config
from proofkey.testing.tokens import key_for_tests

CALLBACK = "https://rp.test/cb"
API = "https://api.test"
MTLS = "https://mtls.op.test"
PASSWORD = "brave otter, quiet river"
VERIFIER = "a-verifier-of-forty-three-characters-at-least-0"
KEY = key_for_tests("ES256", "bank key")
OTHER = key_for_tests("PS256", "other key")
OLD = key_for_tests("RS256", "old key")
JWKS = {"keys": [key.public_jwk for key in (KEY, OTHER, OLD)]}
SECRET = "Jq4v1Zt7Lr0Xc8Mw5Hd2Np9Sk6Fb3GyTaEuIoRiVhWn"
CERTIFICATE = make_client_certificate(dn="CN=bank")
PAY = {"type": "payment", "instructedAmount": {"currency": "EUR", "amount": "100.00"}, "creditor": "Bob"}
COMMON: dict[str, Any] = {
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "scope": "openid offline_access orders:read",
    "authorization_details_types": ["payment"],
}
SIGNED: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS}
BY_CERTIFICATE: dict[str, Any] = {
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=bank",
    "tls_client_certificate_bound_access_tokens": True,
}
_numbers = count()


def settings(issuer: str, **changes: Any) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "profile": "fapi2",
        "workers": 2,
        "trusted_proxies": ["127.0.0.1/32"],
        "client_certificate_header": "Client-Cert",
        "mtls_base_url": MTLS,
        "dpop_nonces": True,
        "resources": [{"identifier": API, "scopes": ["orders:read"]}],
        "authorization_details_types": [
            {
                "type": "payment",
                "title": "Start this payment",
                "required": ["instructedAmount"],
                "fields": ["creditor"],
            }
        ],
        "clients": [
            {"client_id": "bank", **COMMON, **SIGNED},
            {"client_id": "shop", **COMMON, **SIGNED},
            {"client_id": "tls", **COMMON, **BY_CERTIFICATE},
        ],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
        **changes,
    }


@dataclass
class Op:
    """The running server."""

    issuer: str
    clock: Path
    http: httpx2.Client

    def now(self) -> Instant:
        return Instant(int(time.time()) + int(self.clock.read_text()))

    def turn(self, seconds: int) -> None:
        self.clock.write_text(str(int(self.clock.read_text()) + seconds))

    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"{self.issuer}/.well-known/openid-configuration").json()
        return found


@pytest.fixture(scope="module")
def op(tmp_path_factory: pytest.TempPathFactory) -> Generator[Op]:
    folder, port = tmp_path_factory.mktemp("fapi"), free_port()
    issuer = f"http://127.0.0.1:{port}"
    config = write_server_config(folder, settings(issuer))
    clock = folder / "clock"
    clock.write_text("0")
    with (
        running_server(config, port=port, environ={CLOCK_FILE: str(clock)}),
        httpx2.Client(timeout=30, follow_redirects=False, trust_env=False) as http,
    ):
        yield Op(issuer, clock, http)


@dataclass
class Bank:
    """A client that goes by the profile; each call is a request or two of its own."""

    op: Op
    client_id: str = "bank"
    base: str = ""
    """Where it finds the endpoints: the issuer, or the origin for certificates."""
    nonce: str | None = None
    certificate: ClientCertificate | None = None
    key: DpopKey = field(default_factory=DpopKey)

    def __post_init__(self) -> None:
        self.base = self.base or self.op.issuer

    def named(self, **changes: Any) -> dict[str, str]:
        if self.client_id == "tls":
            return {"client_id": "tls"}
        now = int(self.op.now())
        claims = {
            **{"iss": self.client_id, "sub": self.client_id, "aud": self.op.issuer},
            **{"iat": now, "exp": now + 60, "jti": f"jti {next(_numbers)}"},
            **changes,
        }
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": KEY.sign(ASSERTION, claims)}

    def post(
        self, path: str, form: dict[str, Any], *, named: dict[str, str] | None = None, proves: bool = True
    ) -> httpx2.Response:
        """Once more with the nonce that the server asks for (RFC 9449 §8)."""
        answer = self._post(path, form, named, proves=proves)
        if "dpop-nonce" in answer.headers:
            self.nonce = answer.headers["dpop-nonce"]
        if answer.status_code == 400 and answer.json()["error"] == "use_dpop_nonce":
            return self._post(path, form, named, proves=proves)
        return answer

    def _post(
        self, path: str, form: dict[str, Any], named: dict[str, str] | None, *, proves: bool
    ) -> httpx2.Response:
        headers = {} if self.certificate is None else self.certificate.headers()
        if proves and self.client_id != "tls":
            url = f"{self.base}{path}"
            headers["DPoP"] = self.key.proof("POST", url, now=self.op.now(), nonce=self.nonce)
        sent = {**form, **(self.named() if named is None else named)}
        return self.op.http.post(f"{self.op.issuer}{path}", data=sent, headers=headers)

    def asked(self, **changes: Any) -> dict[str, Any]:
        sent = {
            **{"redirect_uri": CALLBACK, "response_type": "code", "resource": API},
            **{"scope": "openid offline_access orders:read", "state": "the state", "nonce": "n" * 64},
            **{"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"},
            **changes,
        }
        return {name: value for name, value in sent.items() if value is not None}

    def signed(self, **changes: Any) -> str:
        now = int(self.op.now())
        times = {"nbf": now, "exp": now + 300}
        claims = {**self.asked(), "client_id": self.client_id, "iss": self.client_id, "aud": self.op.issuer}
        return KEY.sign(REQUEST_OBJECT, {**claims, **times, **changes})

    def push(self, **changes: Any) -> str:
        """The address to send a person to."""
        sent = changes if "request" in changes else self.asked(**changes)
        answer = self.post("/par", sent)
        assert answer.status_code == 201, answer.text
        assert answer.json()["expires_in"] < 600
        query = {"client_id": self.client_id, "request_uri": answer.json()["request_uri"]}
        return f"{self.op.issuer}/authorize?{urlencode(query)}"

    def back(self, **changes: Any) -> dict[str, str]:
        """What comes back, after the pages."""
        with HeadlessBrowser() as browser:
            url = browser.authorize(
                self.push(**changes), redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD)
            )
        return dict(parse_qsl(urlsplit(url).query))

    def redeem(self, code: str, **changes: Any) -> httpx2.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return self.post("/token", {**form, "code_verifier": VERIFIER, **changes})

    def tokens(self, **changes: Any) -> dict[str, Any]:
        back = self.back(**changes)
        assert back["iss"] == self.op.issuer
        answer = self.redeem(back["code"])
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refresh(self, token: str, **form: Any) -> httpx2.Response:
        return self.post("/token", {"grant_type": "refresh_token", "refresh_token": token, **form})


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(decode_base64url(token.split(".")[1]))
    return found


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["error"]


# --- the whole way --------------------------------------------------------------------------------------------


@pytest.mark.spec("F2-5.3.2.2-2..4", "F2-5.3.2.1-9", "9449-8-a", "9449-10-a", "F2-5.3.2.2-14", "F2-5.4.1-4")
def test_a_bank_goes_the_whole_way(op: Op) -> None:
    bank = Bank(op)
    tokens = bank.tokens()
    assert tokens["token_type"] == "DPoP"
    assert claims_of(tokens["access_token"])["cnf"] == {"jkt": bank.key.jkt}
    assert claims_of(tokens["id_token"])["nonce"] == "n" * 64
    for _ in range(4):
        again = bank.refresh(tokens["refresh_token"])
        assert again.status_code == 200, again.text
        assert again.json()["refresh_token"] == tokens["refresh_token"]
    assert refusal(Bank(op, "shop").refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    without = bank.post(
        "/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}, proves=False
    )
    assert refusal(without) == (400, "invalid_dpop_proof")


@pytest.mark.spec("8705-2-a / 3-a", "9700-2.2.1-a")
def test_a_bank_with_a_certificate_goes_the_whole_way(op: Op) -> None:
    bank = Bank(op, "tls", certificate=CERTIFICATE)
    tokens = bank.tokens()
    assert tokens["token_type"] == "Bearer"
    assert claims_of(tokens["access_token"])["cnf"] == CERTIFICATE.cnf
    assert bank.refresh(tokens["refresh_token"]).json()["refresh_token"] == tokens["refresh_token"]
    thief = Bank(op, "tls", certificate=make_client_certificate(dn="CN=thief"))
    assert refusal(thief.refresh(tokens["refresh_token"])) == (401, "invalid_client")
    assert refusal(Bank(op, "tls").refresh(tokens["refresh_token"])) == (401, "invalid_client")


@pytest.mark.spec("F2-5.3.2.1-11", "V10-10.4.3")
def test_a_code_is_dead_after_sixty_seconds(op: Op) -> None:
    bank = Bank(op)
    code = bank.back()["code"]
    op.turn(61)
    assert refusal(bank.redeem(code)) == (400, "invalid_grant")


@pytest.mark.spec("F2-5.3.2.2-2..4", "V10-10.4.13", "9207-2-a")
def test_a_request_that_was_not_pushed_is_refused(op: Op) -> None:
    bank = Bank(op)
    for query in ({"client_id": "bank", **bank.asked()}, {"client_id": "bank", "request": bank.signed()}):
        answer = op.http.get(f"{op.issuer}/authorize?{urlencode(query)}")
        if answer.status_code == 303:
            back = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
            assert (back["error"], back["iss"]) == ("invalid_request", op.issuer)
        else:
            assert (answer.status_code, read_page(answer.text)[0]) == (400, "error")
    unproven = bank.post("/par", {"client_id": "bank", **bank.asked()}, named={})
    assert refusal(unproven) == (401, "invalid_client")


@pytest.mark.spec("9126-4-a / 7.3", "F2-5.3.2.2-12")
def test_a_request_uri_gives_one_code(op: Op) -> None:
    bank = Bank(op)
    url = bank.push()
    with HeadlessBrowser() as browser:
        _ = browser.authorize(url, redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD))
        again = browser.client.get(url)
    assert (again.status_code, read_page(again.text)[0]) == (400, "error")
    assert "location" not in again.headers
    stale = bank.push()
    op.turn(601)
    over = op.http.get(stale)
    assert (over.status_code, read_page(over.text)[0]) == (400, "error")


@pytest.mark.spec("V10-10.4.6", "F2-5.3.2.2-5")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_challenge_method": "plain"}, id="plain"),
        pytest.param({"code_challenge_method": None}, id="no method"),
        pytest.param({"code_challenge": None, "code_challenge_method": None}, id="no challenge"),
    ],
)
def test_no_code_without_pkce(op: Op, changes: dict[str, Any]) -> None:
    bank = Bank(op)
    assert refusal(bank.post("/par", bank.asked(**changes))) == (400, "invalid_request")


@pytest.mark.spec("9700-2.1.1-a")
def test_the_verifier_is_demanded(op: Op) -> None:
    bank = Bank(op)
    code = bank.back()["code"]
    wrong = VERIFIER + "1"
    assert refusal(bank.redeem(code, code_verifier=wrong)) == (400, "invalid_grant")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    assert refusal(bank.post("/token", form)) == (400, "invalid_grant")
    assert bank.redeem(code).status_code == 200


@pytest.mark.spec("6749-4.1.3-a")
def test_a_code_belongs_to_its_client_and_key(op: Op) -> None:
    bank = Bank(op)
    code = bank.back()["code"]
    assert refusal(Bank(op, "shop").redeem(code)) == (400, "invalid_grant")
    assert refusal(Bank(op).redeem(code)) == (400, "invalid_grant")
    assert bank.redeem(code).status_code == 200


@pytest.mark.spec("9700-2.6-b / F2-5.2.3")
def test_the_authorization_endpoint_has_no_cors(op: Op) -> None:
    headers = {"origin": "https://rp.test", "access-control-request-method": "GET"}
    answer = op.http.options(f"{op.issuer}/authorize", headers=headers)
    assert "access-control-allow-origin" not in answer.headers


# --- who signs, and when --------------------------------------------------------------------------------------


@pytest.mark.spec("7523b-4-a", "F2-5.3.2.1-8")
@pytest.mark.parametrize("path", ["/token", "/par", "/introspect", "/revoke"])
def test_an_assertion_names_the_issuer_alone(op: Op, path: str) -> None:
    bank = Bank(op)
    form = bank.asked() if path == "/par" else {"grant_type": "client_credentials", "token": "x"}
    for aud in ([op.issuer], f"{op.issuer}{path}", f"{MTLS}{path}", MTLS, f"{op.issuer}/"):
        assert refusal(bank.post(path, form, named=bank.named(aud=aud))) == (401, "invalid_client")
    assert bank.post(path, form).status_code in (200, 201)


@pytest.mark.spec("F2-5.3.2.1-13", "7523-3-a")
def test_an_assertion_may_be_a_little_ahead_and_is_used_once(op: Op) -> None:
    bank, form, now = Bank(op), {"grant_type": "client_credentials"}, int(op.now())
    for ahead, status in ((8, 200), (60, 401)):
        for name in ("iat", "nbf"):
            assert bank.post("/token", form, named=bank.named(**{name: now + ahead})).status_code == status
    named = bank.named()
    assert [bank.post("/token", form, named=named).status_code for _ in range(6)] == [200, *[401] * 5]


@pytest.mark.spec("F2-5.4.1")
def test_nothing_is_signed_with_rs256(op: Op) -> None:
    now = int(op.now())
    claims = {"iss": "bank", "sub": "bank", "aud": op.issuer, "exp": now + 60, "iat": now}
    for key, status in ((OTHER, 200), (OLD, 401)):
        made = key.sign(ASSERTION, claims | {"jti": f"jti {next(_numbers)}"})
        named = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": made}
        answer = Bank(op).post("/token", {"grant_type": "client_credentials"}, named=named)
        assert answer.status_code == status
    with_old_key = Bank(op, key=DpopKey(key=OLD))
    answer = with_old_key.post("/token", {"grant_type": "client_credentials"})
    assert refusal(answer) == (400, "invalid_dpop_proof")
    challenge = op.http.get(f"{op.issuer}/userinfo").headers["www-authenticate"]
    assert "ES256" in challenge
    assert "RS256" not in challenge
    assert "RS256" not in json.dumps([op.metadata(), op.http.get(f"{op.issuer}/jwks").json()])


@pytest.mark.spec("9700-2.2.1-a", "9449-5.2-a")
def test_no_token_without_a_key(op: Op) -> None:
    answer = Bank(op).post("/token", {"grant_type": "client_credentials"}, proves=False)
    assert refusal(answer) == (400, "invalid_dpop_proof")


# --- message signing ------------------------------------------------------------------------------------------


@pytest.mark.spec("F2M-5.3.1", "F2M-5.4", "JARM")
def test_request_and_answer_are_signed(op: Op) -> None:
    bank = Bank(op)
    back = bank.back(request=bank.signed(response_mode="jwt"))
    assert back.keys() == {"response"}
    answer = claims_of(back["response"])
    assert (answer["iss"], answer["aud"], answer["state"]) == (op.issuer, "bank", "the state")
    assert bank.redeem(answer["code"]).status_code == 200


@pytest.mark.spec("F2M-5.3.1")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"exp": 3601}, id="exp an hour after nbf"),
        pytest.param({"nbf": -3611}, id="nbf an hour ago"),
        pytest.param({"nbf": None}, id="no nbf"),
        pytest.param({"nbf": 61}, id="nbf ahead"),
    ],
)
def test_a_request_object_is_dated(op: Op, changes: dict[str, Any]) -> None:
    bank, now = Bank(op), int(op.now())
    moved = {name: value and now + value for name, value in changes.items()}
    answer = bank.post("/par", {"request": bank.signed(**moved)})
    assert refusal(answer) == (400, "invalid_request_object")


@pytest.mark.spec("9701", "F2M-5.5")
def test_introspection_is_signed_on_request(op: Op) -> None:
    bank = Bank(op)
    token = bank.tokens()["access_token"]
    headers = {"accept": "application/token-introspection+jwt"}
    answer = op.http.post(f"{op.issuer}/introspect", data={"token": token, **bank.named()}, headers=headers)
    assert answer.headers["content-type"].startswith("application/token-introspection+jwt")
    told = claims_of(answer.text)
    assert (told["iss"], told["aud"]) == (op.issuer, "bank")
    assert told["token_introspection"]["active"] is True


# --- rich authorization requests ------------------------------------------------------------------------------


@pytest.mark.spec("9396", "V10-10.4.15")
def test_details_are_pushed_shown_granted_and_narrowed(op: Op) -> None:
    bank, pay = Bank(op), json.dumps([PAY])
    with HeadlessBrowser() as browser:
        login = browser.client.get(bank.push(authorization_details=pay), follow_redirects=True)
        form = {"username": "ann", "password": PASSWORD}
        origin = {"origin": op.issuer}
        shown = browser.client.post(str(login.url), data=form, headers=origin, follow_redirects=True)
    assert read_page(shown.text)[0] == "consent"
    assert "Start this payment" in shown.text
    for line in ("instructed amount, amount: 100.00", "instructed amount, currency: EUR", "creditor: Bob"):
        assert line in shown.text
    tokens = bank.tokens(authorization_details=pay)
    assert tokens["authorization_details"] == [PAY]
    assert claims_of(tokens["access_token"])["authorization_details"] == [PAY]
    again = bank.refresh(tokens["refresh_token"], authorization_details=pay)
    assert again.json()["authorization_details"] == [PAY]
    more = json.dumps([PAY | {"creditor": "Eve"}])
    wider = bank.refresh(tokens["refresh_token"], authorization_details=more)
    assert refusal(wider) == (400, "invalid_authorization_details")
    unknown = bank.post("/par", bank.asked(authorization_details='[{"type":"gift"}]'))
    assert refusal(unknown) == (400, "invalid_authorization_details")
    assert op.metadata()["authorization_details_types_supported"] == ["payment"]


# --- the other address ----------------------------------------------------------------------------------------


@pytest.mark.spec("8705-5")
def test_endpoints_are_announced_and_answer_at_the_origin_for_certificates(op: Op) -> None:
    document = op.metadata()
    aliases = document["mtls_endpoint_aliases"]
    assert document["issuer"] == op.issuer
    assert aliases == {
        name: f"{MTLS}{urlsplit(document[name]).path}"
        for name in (
            *("token_endpoint", "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint"),
            "pushed_authorization_request_endpoint",
        )
    }
    tokens = Bank(op, base=MTLS, certificate=CERTIFICATE).tokens()
    assert claims_of(tokens["access_token"])["iss"] == op.issuer
    elsewhere = Bank(op, base="https://else.test").post("/token", {"grant_type": "client_credentials"})
    assert refusal(elsewhere) == (400, "invalid_dpop_proof")


@pytest.mark.spec("8705-5", "9449-11.1-a")
def test_a_proof_for_either_address_is_used_once(op: Op) -> None:
    bank = Bank(op, base=MTLS)
    assert bank.post("/token", {"grant_type": "client_credentials"}).status_code == 200
    proof = bank.key.proof("POST", f"{MTLS}/token", now=op.now(), nonce=bank.nonce)
    statuses = [
        op.http.post(
            f"{op.issuer}/token",
            data={"grant_type": "client_credentials", **bank.named()},
            headers={"DPoP": proof, "host": host},
        ).status_code
        for host in ("mtls.op.test", urlsplit(op.issuer).netloc)
    ]
    assert statuses == [200, 400]


# --- what does not start --------------------------------------------------------------------------------------

CONTRADICTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a client with a secret": (
        {"clients": [{"client_id": "web", "client_secret": SECRET, "redirect_uris": [CALLBACK]}]},
        ("web", "token_endpoint_auth_method", "fapi2"),
    ),
    "a client without PKCE": (
        {"clients": [{"client_id": "bank", **COMMON, **SIGNED, "allow_insecure_without_pkce": True}]},
        ("bank", "allow_insecure_without_pkce", "fapi2"),
    ),
    "no pushed requests": ({"features": ["jar"]}, ("server.features", "fapi2")),
}


@pytest.mark.spec("F2-5.3.2.1")
@pytest.mark.parametrize(("changes", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_configuration_that_contradicts_the_profile_ends_the_start(
    tmp_path: Path, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    config = write_server_config(tmp_path, settings("http://127.0.0.1:1", **changes))
    with pytest.raises(ServerFailed) as failed, running_server(config):
        pass
    for word in words:
        assert word in str(failed.value)
