"""Clients that register themselves: who may, what they may have, and who changes it afterwards."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofkey.authorization_server.answers import Empty, Json, Page, Redirect
from proofkey.authorization_server.policy import Policy, SelfRegistration
from proofkey.authorization_server.self_registration import MEMBERS, read_self_registration
from proofkey.errors import (
    ConfigurationError,
    InteractionClosed,
    InvalidClient,
    InvalidClientMetadata,
    InvalidGrant,
    InvalidRedirectUri,
    InvalidToken,
    MalformedCredentials,
    NoCredentials,
    NoLocation,
    OAuthError,
    TooManyRequests,
    Unavailable,
)
from proofkey.findings import Finding
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.text import ClientId, Instant, Issuer, Secret, digest_of
from proofkey.testing.published import PublishedDocuments
from tests.authorization_server.driver import (
    API,
    CALLBACK,
    ISSUER,
    PEER,
    POLICY,
    VERIFIER,
    Desk,
    Visitor,
    claims_of,
    open_desk,
    sent_back,
)

INITIAL = "an-initial-access-token-of-many-characters"
OTHER_PEER = "198.51.100.9"
WEB: dict[str, Any] = {"redirect_uris": [CALLBACK], "client_name": "Own"}
PUBLIC: dict[str, Any] = {**WEB, "token_endpoint_auth_method": "none"}
NATIVE: dict[str, Any] = {**PUBLIC, "application_type": "native", "redirect_uris": ["http://127.0.0.1/cb"]}
REFRESHING: dict[str, Any] = {**WEB, "grant_types": ["authorization_code", "refresh_token"]}
SCOPE = "openid profile email address phone offline_access orders:read orders:write bills:read"


def policy(**changes: Any) -> Policy:
    features = frozenset({"par", "registration", *changes.pop("features", ())})
    return replace(
        POLICY,
        features=features,
        registration=SelfRegistration(**{"token_digests": frozenset({digest_of(INITIAL)}), **changes}),
    )


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(policy())


async def register(desk: Desk, token: str | None = INITIAL, peer: str = PEER, **document: Any) -> dict[str, Any]:
    answer = await desk.core.register(document, bearer(token), peer)
    assert isinstance(answer, Json)
    assert (answer.status, answer.no_store) == (201, True)
    return dict(answer.body)


async def ask(
    desk: Desk, method: str, client_id: str, token: str | None, peer: str = PEER, /, **document: Any
) -> dict[str, Any]:
    answer = await desk.core.registration(method, client_id, document, bearer(token), peer)
    assert isinstance(answer, Json | Empty)
    return dict(answer.body) if isinstance(answer, Json) else {}


def bearer(token: str | None) -> tuple[str, ...]:
    return () if token is None else (f"Bearer {token}",)


def anew(told: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """What a client sends to change its registration: all of it, without what the server alone writes."""
    own = (
        "registration_access_token",
        "registration_client_uri",
        "client_id_issued_at",
        "client_secret_expires_at",
    )
    members = {name: value for name, value in {**told, **changes}.items() if name not in own}
    return {name: value for name, value in members.items() if value is not None}


# --- what comes back -------------------------------------------------------------------------------------------


@pytest.mark.spec("7591-3-a")
async def test_a_silent_client_gets_the_defaults_of_the_standards(desk: Desk) -> None:
    told = await register(desk, redirect_uris=[CALLBACK])
    secret, token = told.pop("client_secret"), told.pop("registration_access_token")
    client_id = told["client_id"]
    assert len({secret, token, client_id}) == 3
    assert told == {
        "client_id": client_id,
        "client_id_issued_at": desk.clock.now(),
        "client_secret_expires_at": 0,
        "registration_client_uri": f"{ISSUER}/register/{client_id}",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "application_type": "web",
        "scope": SCOPE,
        "subject_type": "public",
        "id_token_signed_response_alg": "RS256",
        "authorization_signed_response_alg": "RS256",
        "introspection_signed_response_alg": "ES256",
        "require_auth_time": False,
        "require_pushed_authorization_requests": False,
        "require_signed_request_object": False,
        "dpop_bound_access_tokens": False,
        "tls_client_certificate_bound_access_tokens": False,
        "backchannel_logout_session_required": False,
    }
    client = await desk.store.find_client(ClientId(client_id))
    assert client
    assert client.secret_digest == Secret(secret).digest()
    assert client.self_registered
    kept = await desk.store.find_registered(ClientId(client_id))
    assert kept
    assert kept.token_digest == digest_of(token)
    assert token not in repr(kept)


@pytest.mark.spec("7591-3-a")
async def test_everything_said_is_told_again(desk: Desk) -> None:
    said: dict[str, Any] = {
        "redirect_uris": [CALLBACK, "https://rp.test/two"],
        "post_logout_redirect_uris": ["https://rp.test/bye"],
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "client_name": "Own Orders é",
        "client_uri": "https://rp.test/",
        "logo_uri": "https://rp.test/logo.png",
        "policy_uri": "https://rp.test/policy",
        "tos_uri": "https://rp.test/tos",
        "contacts": ["ann@rp.test"],
        "software_id": "own-orders",
        "software_version": "1.2",
        "scope": "openid orders:read",
        "application_type": "web",
        "id_token_signed_response_alg": "ES256",
        "userinfo_signed_response_alg": "ES256",
        "subject_type": "pairwise",
        "default_max_age": 60,
        "require_auth_time": True,
        "default_acr_values": ["urn:x"],
        "response_modes": ["form_post"],
        "require_pushed_authorization_requests": True,
        "dpop_bound_access_tokens": True,
        "backchannel_logout_uri": "https://rp.test/out",
        "backchannel_logout_session_required": True,
    }
    told = await register(desk, **said)
    assert {name: told[name] for name in said} == said


@pytest.mark.spec("7591-3-a")
async def test_what_is_not_known_is_ignored_and_what_would_loosen_a_rule_too(desk: Desk) -> None:
    loose: dict[str, Any] = {
        "skip_consent": True,
        "allow_insecure_without_pkce": True,
        "disabled": True,
        "self_registered": False,
        "access_token_format": "opaque",
        "client_id": "web",
        "client_secret": "a secret of my own choice, 32 characters",
        "software_statement": "eyJhbGciOiJub25lIn0.e30.",
        "client_name#de": "Eigene",
        "roles": ["admin"],
        "logo_uri": None,
    }
    told = await register(desk, **WEB, **loose)
    assert told["client_id"] != "web"
    assert told["client_secret"] != loose["client_secret"]
    assert not set(told).intersection(loose) - {"client_id", "client_secret"}
    client = await desk.store.find_client(ClientId(told["client_id"]))
    assert client
    assert (client.skip_consent, client.allow_insecure_without_pkce, client.disabled) == (False, False, False)
    assert (client.self_registered, client.access_token_format) == (True, "jwt")


@pytest.mark.spec("7591-3-a")
async def test_a_public_client_and_one_with_keys_get_no_secret(desk: Desk) -> None:
    key = generate_signing_key("ES256").public_jwk
    keyed = {**WEB, "token_endpoint_auth_method": "private_key_jwt"}
    for document in (
        PUBLIC,
        {**keyed, "jwks": {"keys": [dict(key)]}},
        {**keyed, "jwks_uri": "https://rp.test/jwks"},
    ):
        told = await register(desk, **document)
        assert "client_secret" not in told
        assert "client_secret_expires_at" not in told
        assert {name: told[name] for name in document} == document


BAD: list[tuple[str, dict[str, Any], type[OAuthError]]] = [
    ("no redirect URI", {"redirect_uris": None}, InvalidRedirectUri),
    ("an empty list of them", {"redirect_uris": []}, InvalidRedirectUri),
    ("text in its place", {"redirect_uris": CALLBACK}, InvalidRedirectUri),
    ("not even text", {"redirect_uris": [7]}, InvalidRedirectUri),
    ("http", {"redirect_uris": ["http://rp.test/cb"]}, InvalidRedirectUri),
    ("http on loopback for web", {"redirect_uris": ["http://127.0.0.1/cb"]}, InvalidRedirectUri),
    ("localhost for web", {"redirect_uris": ["http://localhost:3000/cb"]}, InvalidRedirectUri),
    ("a private-use scheme for web", {"redirect_uris": ["com.acme.app:/cb"]}, InvalidRedirectUri),
    ("a fragment", {"redirect_uris": [f"{CALLBACK}#x"]}, InvalidRedirectUri),
    ("user information", {"redirect_uris": ["https://rp.test@evil.test/cb"]}, InvalidRedirectUri),
    ("a script", {"redirect_uris": ["JaVaScRiPt:alert(1)"]}, InvalidRedirectUri),
    ("a wildcard host", {"redirect_uris": ["https://*.test/cb"]}, InvalidRedirectUri),
    ("a planted parameter", {"redirect_uris": [f"{CALLBACK}?code=x"]}, InvalidRedirectUri),
    ("a dot segment", {"redirect_uris": ["https://rp.test/a/../cb"]}, InvalidRedirectUri),
    ("one bad among good", {"redirect_uris": [CALLBACK, "data:text/html,x"]}, InvalidRedirectUri),
    ("21 of them", {"redirect_uris": [f"{CALLBACK}{n}" for n in range(21)]}, InvalidRedirectUri),
    ("native with http elsewhere", {**NATIVE, "redirect_uris": ["http://rp.test/cb"]}, InvalidRedirectUri),
    ("native with a bare scheme", {**NATIVE, "redirect_uris": ["myapp:/cb"]}, InvalidRedirectUri),
    ("a bad way after logout", {"post_logout_redirect_uris": ["http://rp.test/"]}, InvalidClientMetadata),
    ("client credentials", {"grant_types": ["client_credentials"]}, InvalidClientMetadata),
    ("them beside", {"grant_types": ["authorization_code", "client_credentials"]}, InvalidClientMetadata),
    ("implicit", {"grant_types": ["implicit"], "response_types": ["token"]}, InvalidClientMetadata),
    ("password", {"grant_types": ["authorization_code", "password"]}, InvalidClientMetadata),
    ("exchange", {"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]}, InvalidClientMetadata),
    ("the device grant", {"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}, InvalidClientMetadata),
    ("refresh alone", {"grant_types": ["refresh_token"]}, InvalidClientMetadata),
    ("a hybrid flow", {"response_types": ["code id_token"]}, InvalidClientMetadata),
    ("no response type", {"response_types": []}, InvalidClientMetadata),
    ("a secret as a key", {"token_endpoint_auth_method": "client_secret_jwt"}, InvalidClientMetadata),
    ("an unknown method", {"token_endpoint_auth_method": "magic"}, InvalidClientMetadata),
    ("certificates", {"token_endpoint_auth_method": "self_signed_tls_client_auth"}, InvalidClientMetadata),
    ("bound to certificates", {"tls_client_certificate_bound_access_tokens": True}, InvalidClientMetadata),
    ("keys without keys", {"token_endpoint_auth_method": "private_key_jwt"}, InvalidClientMetadata),
    (
        "keys twice",
        {"jwks": {"keys": []}, "jwks_uri": "https://rp.test/jwks"},
        InvalidClientMetadata,
    ),
    ("keys over http", {"jwks_uri": "http://rp.test/jwks"}, InvalidClientMetadata),
    ("a private key", {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "d": "x"}]}}, InvalidClientMetadata),
    ("a secret key", {"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, InvalidClientMetadata),
    ("keys as a list", {"jwks": []}, InvalidClientMetadata),
    ("unsigned ID tokens", {"id_token_signed_response_alg": "none"}, InvalidClientMetadata),
    ("HS256", {"id_token_signed_response_alg": "HS256"}, InvalidClientMetadata),
    ("unsigned UserInfo", {"userinfo_signed_response_alg": "none"}, InvalidClientMetadata),
    ("unsigned requests", {"request_object_signing_alg": "none"}, InvalidClientMetadata),
    ("an encrypted ID token", {"id_token_encrypted_response_alg": "RSA-OAEP"}, InvalidClientMetadata),
    ("encrypted UserInfo", {"userinfo_encrypted_response_enc": "A128GCM"}, InvalidClientMetadata),
    ("encrypted requests", {"request_object_encryption_alg": "RSA-OAEP"}, InvalidClientMetadata),
    ("signed answers", {"response_modes": ["jwt"]}, InvalidClientMetadata),
    ("fragment", {"response_modes": ["fragment"]}, InvalidClientMetadata),
    ("signed requests alone", {"require_signed_request_object": True}, InvalidClientMetadata),
    ("a sector", {"sector_identifier_uri": "https://10.0.0.1/sector"}, InvalidClientMetadata),
    (
        "pairwise over two hosts",
        {"subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://two.test/cb"]},
        InvalidClientMetadata,
    ),
    ("scope as a list", {"scope": ["openid"]}, InvalidClientMetadata),
    ("a malformed scope", {"scope": "a  b"}, InvalidClientMetadata),
    ("a privileged scope", {"scope": "admin"}, InvalidClientMetadata),
    ("a name of control characters", {"client_name": "Own\u202eBank"}, InvalidClientMetadata),
    ("a long name", {"client_name": "x" * 201}, InvalidClientMetadata),
    ("a number for a name", {"client_name": 7}, InvalidClientMetadata),
    ("an odd kind", {"application_type": "desktop"}, InvalidClientMetadata),
    ("a script as a page", {"client_uri": "javascript:alert(1)"}, InvalidClientMetadata),
    ("a logo over http", {"logo_uri": "http://rp.test/logo"}, InvalidClientMetadata),
    ("terms that are a list", {"tos_uri": ["https://rp.test/"]}, InvalidClientMetadata),
    ("contacts that are text", {"contacts": "ann@rp.test"}, InvalidClientMetadata),
    ("details of an unknown type", {"authorization_details_types": ["payment"]}, InvalidClientMetadata),
    ("logout over http", {"backchannel_logout_uri": "http://rp.test/out"}, InvalidClientMetadata),
]


@pytest.mark.spec("7591-3-a", "OR-2-a", "9700-2.6-a", "O21-2.3-a", "X-redir-a")
@pytest.mark.parametrize(("changes", "refusal"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_a_registration_is_refused(desk: Desk, changes: dict[str, Any], refusal: type[OAuthError]) -> None:
    before = await desk.store.list_clients()
    with pytest.raises(refusal) as refused:
        await register(desk, **{**WEB, **changes})
    assert refused.value.error == refusal.error
    assert await desk.store.list_clients() == before


@pytest.mark.parametrize("is_away", [False, True], ids=["has no such key", "is away"])
async def test_what_the_signer_has_no_key_for_is_refused(desk: Desk, *, is_away: bool) -> None:
    async def make_key(algorithm: str) -> NoReturn:
        cause = None if is_away else ConfigurationError(Finding.CONFIG_VALUE, key="signer")
        raise Unavailable(Finding.SIGNER_AWAY, algorithm=algorithm) from cause

    desk.core._role = replace(desk.core._role, make_key=make_key)
    with pytest.raises(Unavailable if is_away else InvalidClientMetadata):
        await register(desk, **WEB, id_token_signed_response_alg="PS256")
    assert await register(desk, **WEB, id_token_signed_response_alg="ES256")


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("native on loopback", NATIVE),
    ("native on localhost", {**NATIVE, "redirect_uris": ["http://localhost:3030/callback"]}),
    ("native with a scheme of its own", {**NATIVE, "redirect_uris": ["com.acme.app:/cb"]}),
    ("native with https", {**NATIVE, "redirect_uris": [CALLBACK]}),
    ("a query of its own", {"redirect_uris": [f"{CALLBACK}?a=1"]}),
    ("pairwise", {"subject_type": "pairwise"}),
]


@pytest.mark.spec("OR-2-a")
@pytest.mark.parametrize("changes", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
async def test_a_registration_is_taken(desk: Desk, changes: dict[str, Any]) -> None:
    told = await register(desk, **{**WEB, **changes})
    assert {name: told[name] for name in changes} == changes


@pytest.mark.spec("9700-2.6-a")
def test_while_the_issuer_is_on_loopback_web_clients_may_be_so_too() -> None:
    here = replace(policy(), issuer=Issuer("http://127.0.0.1:9000"))
    document = {"redirect_uris": ["http://localhost:3000/cb"]}
    client = read_self_registration(document, ClientId("x" * 43), here, Instant(0), secret=Secret("s" * 32))
    assert client.redirect_uris == {"http://localhost:3000/cb"}


SECTOR = "https://shop.test/sector.json"
TWO = {**WEB, "redirect_uris": [CALLBACK, "https://two.test/cb"], "subject_type": "pairwise"}


@pytest.mark.spec("OC-8.1-a")
@pytest.mark.parametrize(
    ("listed", "is_taken"),
    [([CALLBACK, "https://two.test/cb", "https://three.test/"], True), ([CALLBACK], False), ({"a": 1}, False)],
    ids=["all of its URIs", "one of two", "not a list"],
)
async def test_a_sector_is_proven_by_the_document_that_it_names(listed: object, *, is_taken: bool) -> None:
    web = PublishedDocuments()
    web.put(SECTOR, listed)
    desk = await open_desk(policy(), foreign=web)
    with pytest.raises(InvalidClientMetadata):
        await register(desk, **{**TWO, "grant_types": ["password"]}, sector_identifier_uri=SECTOR)
    assert web.asked == []
    if is_taken:
        assert (await register(desk, **TWO, sector_identifier_uri=SECTOR))["sector_identifier_uri"] == SECTOR
        return
    with pytest.raises(InvalidClientMetadata):
        await register(desk, **TWO, sector_identifier_uri=SECTOR)


@pytest.mark.spec("O21-7.9-a")
async def test_of_a_scope_what_such_clients_cannot_have_is_left_out() -> None:
    desk = await open_desk(policy(scope=("openid", "orders:read")))
    assert (await register(desk, **WEB))["scope"] == "openid orders:read"
    told = await register(desk, **WEB, scope="openid orders:read orders:write admin")
    assert told["scope"] == "openid orders:read"
    with pytest.raises(InvalidClientMetadata):
        await register(desk, **WEB, scope="orders:write")
    visitor = Visitor(desk.core)
    back = await visitor.walk(told["client_id"], scope="orders:read", resource=API)
    assert back["code"]
    answer = await visitor.authorize(told["client_id"], scope="orders:write", resource=API)
    assert sent_back(answer)["error"] == "invalid_scope"


async def test_an_operator_may_register_all_of_them_for_the_whole_scope() -> None:
    desk = await open_desk(policy(scope=("openid", "orders:read"), whole_scope=True))
    assert (await register(desk, **WEB, scope="orders:read"))["scope"] == "openid orders:read"


# --- who may ---------------------------------------------------------------------------------------------------


@pytest.mark.spec("7591-5-a / V10-10.4.7")
@pytest.mark.parametrize(
    ("authorization", "refusal"),
    [
        ((), NoCredentials),
        (("Bearer another-token-of-many-characters-0123",), InvalidToken),
        ((f"Bearer {INITIAL}x",), InvalidToken),
        ((f"Bearer {digest_of(INITIAL)}",), InvalidToken),
        ((f"Basic {INITIAL}",), NoCredentials),
        (("Bearer ",), MalformedCredentials),
        ((f"Bearer {INITIAL}", f"Bearer {INITIAL}"), MalformedCredentials),
    ],
    ids=["nothing", "another", "longer", "the digest", "Basic", "empty", "two"],
)
@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
async def test_without_the_token_nobody_registers(
    authorization: tuple[str, ...], refusal: type[OAuthError], *, is_open: bool
) -> None:
    desk = await open_desk(policy(allow_insecure_open=is_open))
    if is_open and not authorization:
        assert await register(desk, None, **WEB)
        return
    with pytest.raises(refusal):
        await desk.core.register(WEB, authorization, PEER)


async def test_a_server_without_tokens_lets_nobody_register() -> None:
    desk = await open_desk(policy(token_digests=frozenset()))
    for token in (None, INITIAL):
        with pytest.raises((NoCredentials, InvalidToken)):
            await register(desk, token, **WEB)


@pytest.mark.spec("7591-5-a / V10-10.4.7")
async def test_an_open_endpoint_counts_each_address() -> None:
    desk = await open_desk(policy(allow_insecure_open=True))
    for _ in range(60):
        await register(desk, None, **PUBLIC)
    with pytest.raises(TooManyRequests):
        await register(desk, None, **PUBLIC)
    assert await register(desk, None, OTHER_PEER, **PUBLIC)
    assert await register(desk, INITIAL, **PUBLIC)
    desk.clock.turn(61)
    assert await register(desk, None, **PUBLIC)


async def test_wrong_tokens_are_counted_by_address_and_right_ones_never(desk: Desk) -> None:
    told = await register(desk, **WEB)
    client_id, token = told["client_id"], told["registration_access_token"]
    for _ in range(60):
        with pytest.raises(InvalidToken):
            await ask(desk, "GET", client_id, "a-wrong-token")
    with pytest.raises(TooManyRequests):
        await ask(desk, "GET", client_id, "a-wrong-token")
    assert await ask(desk, "GET", client_id, token)
    with pytest.raises(TooManyRequests):
        await register(desk, "a-wrong-token", **WEB)
    assert await register(desk, **WEB)


async def test_all_registrations_together_have_a_limit(desk: Desk) -> None:
    for number in range(1000):
        with pytest.raises(InvalidRedirectUri):
            await register(desk, peer=f"198.51.{number % 250}.{number // 250}")
    with pytest.raises(TooManyRequests):
        await register(desk, peer="192.0.2.1", **WEB)


# --- RFC 7592 --------------------------------------------------------------------------------------------------


@pytest.mark.spec("7592 †")
async def test_a_client_reads_its_registration_and_no_secret(desk: Desk) -> None:
    told = await register(desk, **WEB)
    again = await ask(desk, "GET", told["client_id"], told["registration_access_token"])
    assert again == {name: value for name, value in told.items() if name != "client_secret"}
    assert await ask(desk, "HEAD", told["client_id"], told["registration_access_token"]) == again


@pytest.mark.spec("7592 †")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_nobody_else_reads_changes_or_deletes_it(desk: Desk, method: str) -> None:
    told, other = await register(desk, **WEB), await register(desk, **WEB)
    findings = set()
    for client_id, token in (
        (told["client_id"], other["registration_access_token"]),
        (told["client_id"], INITIAL),
        (told["client_id"], told["client_secret"]),
        (told["client_id"], digest_of(told["registration_access_token"])),
        ("x" * 43, told["registration_access_token"]),
        ("web", told["registration_access_token"]),
        ("", told["registration_access_token"]),
        ("\0", told["registration_access_token"]),
        ("\udcff", told["registration_access_token"]),
    ):
        with pytest.raises(InvalidToken) as refused:
            await ask(desk, method, client_id, token, **anew(told))
        findings.add((refused.value.finding, refused.value.description))
    with pytest.raises(NoCredentials):
        await ask(desk, method, told["client_id"], None, **anew(told))
    assert findings == {(Finding.REGISTRATION_TOKEN_WRONG, "The access token is not valid.")}
    assert await ask(desk, "GET", told["client_id"], told["registration_access_token"])


@pytest.mark.spec("7592 †")
async def test_an_update_replaces_everything_and_the_token(desk: Desk) -> None:
    told = await register(desk, **WEB, policy_uri="https://rp.test/policy", default_max_age=60)
    desk.clock.turn(5)
    sent = anew(told, client_name="Own anew", redirect_uris=["https://rp.test/new"], policy_uri=None)
    changed = await ask(desk, "PUT", told["client_id"], told["registration_access_token"], **sent)
    assert changed["client_name"] == "Own anew"
    assert changed["redirect_uris"] == ["https://rp.test/new"]
    assert "policy_uri" not in changed
    assert changed["default_max_age"] == 60
    assert changed["client_id_issued_at"] == told["client_id_issued_at"]
    assert "client_secret" not in changed
    for method in ("GET", "PUT", "DELETE"):
        with pytest.raises(InvalidToken):
            await ask(desk, method, told["client_id"], told["registration_access_token"], **sent)
    token = changed["registration_access_token"]
    assert await ask(desk, "GET", told["client_id"], token) == changed
    client = await desk.store.find_client(ClientId(told["client_id"]))
    assert client
    assert client.secret_digest == digest_of(told["client_secret"])


UPDATES: list[tuple[str, dict[str, Any]]] = [
    ("no client_id", {"client_id": None}),
    ("another's client_id", {"client_id": "web"}),
    ("another secret", {"client_secret": "another secret of thirty-two letters"}),
    ("a secret that is none", {"client_secret": 7}),
    ("a token of its own", {"registration_access_token": "mine"}),
    ("an address of its own", {"registration_client_uri": "https://rp.test/"}),
    ("an end of its own", {"client_secret_expires_at": 0}),
    ("a begin of its own", {"client_id_issued_at": 1}),
    ("made public", {"token_endpoint_auth_method": "none"}),
    ("made native", {"application_type": "native"}),
    ("more grants", {"grant_types": ["authorization_code", "client_credentials"]}),
    ("a bad URI", {"redirect_uris": ["http://rp.test/cb"]}),
    ("no URI", {"redirect_uris": None}),
]


@pytest.mark.spec("7592 †")
@pytest.mark.parametrize("changes", [row[1] for row in UPDATES], ids=[row[0] for row in UPDATES])
async def test_an_update_is_refused_and_changes_nothing(desk: Desk, changes: dict[str, Any]) -> None:
    told = await register(desk, **WEB)
    client_id, token = told["client_id"], told["registration_access_token"]
    own = {name: value for name, value in changes.items() if value is not None}
    sent = {name: value for name, value in {**anew(told), **own}.items() if changes.get(name, 0) is not None}
    with pytest.raises(InvalidClientMetadata):
        await ask(desk, "PUT", client_id, token, **sent)
    assert (await ask(desk, "GET", client_id, token))["redirect_uris"] == [CALLBACK]


@pytest.mark.spec("7592 †")
async def test_the_kind_of_secret_may_change_and_a_new_one_is_made(desk: Desk) -> None:
    jwks = {"keys": [dict(generate_signing_key("ES256").public_jwk)]}
    told = await register(desk, **WEB, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    sent = anew(told, token_endpoint_auth_method="client_secret_post", jwks=None)
    changed = await ask(desk, "PUT", told["client_id"], told["registration_access_token"], **sent)
    secret, token = changed["client_secret"], changed["registration_access_token"]
    client = await desk.store.find_client(ClientId(told["client_id"]))
    assert client
    assert client.secret_digest == digest_of(secret)
    sent = anew(changed, token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    back = await ask(desk, "PUT", told["client_id"], token, **sent)
    assert "client_secret_expires_at" not in back
    client = await desk.store.find_client(ClientId(told["client_id"]))
    assert client
    assert client.secret_digest is None


async def test_a_disabled_client_changes_nothing(desk: Desk) -> None:
    told = await register(desk, **WEB)
    event = desk.events[-1]
    assert await desk.store.disable_client(ClientId(told["client_id"]), desk.clock.now(), event)
    for method in ("GET", "PUT", "DELETE"):
        with pytest.raises(InvalidToken):
            await ask(desk, method, told["client_id"], told["registration_access_token"], **anew(told))


# --- with people -----------------------------------------------------------------------------------------------


async def sign_in(desk: Desk, visitor: Visitor, told: Mapping[str, Any]) -> dict[str, Any]:
    back = await visitor.walk(told["client_id"])
    return await redeem(desk, told, back["code"])


async def redeem(desk: Desk, told: Mapping[str, Any], code: str) -> dict[str, Any]:
    form = {"code": code, "code_verifier": VERIFIER, "redirect_uri": CALLBACK}
    secret = Secret(told["client_secret"]) if "client_secret" in told else None
    return await desk.token(told["client_id"], secret=secret, grant_type="authorization_code", **form)


async def test_a_registered_client_signs_people_in(desk: Desk) -> None:
    told = await register(desk, **REFRESHING)
    tokens = await sign_in(desk, Visitor(desk.core), told)
    assert claims_of(tokens["id_token"])["aud"] == told["client_id"]
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert await desk.token(told["client_id"], secret=Secret(told["client_secret"]), **form)


@pytest.mark.spec("9700-4.11.2-b")
@pytest.mark.parametrize("pushed", [False, True], ids=["by parameters", "pushed"])
async def test_before_a_sign_in_nobody_is_sent_to_a_stranger(desk: Desk, *, pushed: bool) -> None:
    told = await register(desk, **PUBLIC)
    visitor = Visitor(desk.core)
    changes: dict[str, str | None] = {"scope": "bogus"}
    if pushed:
        changes = {"code_challenge": None, "code_challenge_method": None}
    with pytest.raises(NoLocation):
        await visitor.authorize(told["client_id"], **changes)
    await visitor.walk("web")
    assert sent_back(await visitor.authorize(told["client_id"], **changes))["error"]
    silent = await Visitor(desk.core).authorize(told["client_id"], prompt="none")
    assert sent_back(silent)["error"] == "login_required"


@pytest.mark.spec("7591-5-a / V10-10.4.7", "O21-7.9-a")
async def test_people_are_told_that_nobody_vouches_for_it(desk: Desk) -> None:
    told = await register(desk, **WEB)
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page(told["client_id"])
    await visitor.log_in(id_)
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.name == "consent"
    assert page.context["self_registered"] is True
    assert page.context["client_host"] == "rp.test"
    other, _ = await visitor.page("web")
    page = await visitor.look(other)
    assert isinstance(page, Page)
    assert page.context["self_registered"] is False


@pytest.mark.spec("CIMD-6.3-c")
async def test_people_are_asked_again_after_it_has_changed(desk: Desk) -> None:
    told = await register(desk, **WEB)
    visitor = Visitor(desk.core)
    await sign_in(desk, visitor, told)
    assert sent_back(await visitor.authorize(told["client_id"]))["code"]
    desk.clock.turn(5)
    token = told["registration_access_token"]
    same = await ask(desk, "PUT", told["client_id"], token, **anew(told))
    assert sent_back(await visitor.authorize(told["client_id"]))["code"]
    sent = anew(told, redirect_uris=[CALLBACK, "https://rp.test/two"])
    await ask(desk, "PUT", told["client_id"], same["registration_access_token"], **sent)
    answer = await visitor.authorize(told["client_id"])
    assert isinstance(answer, Redirect)
    assert answer.url.startswith(f"{ISSUER}/interaction/")
    assert (await visitor.walk(told["client_id"]))["code"]
    assert sent_back(await visitor.authorize(told["client_id"]))["code"]


@pytest.mark.spec("7592 †")
async def test_deleted_it_ends_with_all_that_it_was_given(desk: Desk) -> None:
    told = await register(desk, **REFRESHING)
    visitor = Visitor(desk.core)
    tokens = await sign_in(desk, visitor, told)
    code = sent_back(await visitor.authorize(told["client_id"]))["code"]
    assert await ask(desk, "DELETE", told["client_id"], told["registration_access_token"]) == {}
    with pytest.raises(InvalidToken):
        await ask(desk, "GET", told["client_id"], told["registration_access_token"])
    with pytest.raises(NoLocation):
        await visitor.authorize(told["client_id"])
    with pytest.raises(InvalidClient):
        await redeem(desk, told, code)
    with pytest.raises(InvalidToken):
        await desk.userinfo(tokens["access_token"])
    assert "client.deleted" in desk.event_names()


@pytest.mark.spec("7592 †")
async def test_a_public_one_s_refresh_tokens_die_with_it(desk: Desk) -> None:
    told = await register(desk, **{**PUBLIC, **{"grant_types": ["authorization_code", "refresh_token"]}})
    tokens = await sign_in(desk, Visitor(desk.core), told)
    await ask(desk, "DELETE", told["client_id"], told["registration_access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    with pytest.raises((InvalidClient, InvalidGrant)):
        await desk.token(told["client_id"], secret=None, **form)


async def test_changed_between_page_and_answer_the_page_is_shown_again(desk: Desk) -> None:
    told = await register(desk, **PUBLIC)
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page(told["client_id"])
    await visitor.log_in(id_)
    await visitor.look(id_)
    desk.clock.turn(5)
    sent = anew(told, client_name="Something else")
    await ask(desk, "PUT", told["client_id"], told["registration_access_token"], **sent)
    answer = await visitor.decide(id_)
    assert isinstance(answer, Redirect)
    assert answer.url == f"{ISSUER}/interaction/{id_}"
    page = await visitor.look(id_)
    assert isinstance(page, Page)
    assert page.context["client_name"] == "Something else"
    assert sent_back(await visitor.decide(id_))["code"]


async def test_deleted_between_page_and_answer_it_gets_nothing(desk: Desk) -> None:
    told = await register(desk, **PUBLIC)
    visitor = Visitor(desk.core)
    id_, _ = await visitor.page(told["client_id"])
    await visitor.log_in(id_)
    await visitor.look(id_)
    await ask(desk, "DELETE", told["client_id"], told["registration_access_token"])
    with pytest.raises(InteractionClosed):
        await visitor.decide(id_)


@pytest.mark.spec("7591-5-a / V10-10.4.7")
async def test_what_nobody_wanted_is_forgotten_after_a_month(desk: Desk) -> None:
    unwanted, wanted = await register(desk, **WEB), await register(desk, **WEB)
    await sign_in(desk, Visitor(desk.core), wanted)
    desk.clock.turn(31 * 86_400)
    with pytest.raises(InvalidToken):
        await ask(desk, "GET", unwanted["client_id"], unwanted["registration_access_token"])
    await desk.core.upkeep()
    assert await desk.store.find_client(ClientId(unwanted["client_id"])) is None
    assert await ask(desk, "GET", wanted["client_id"], wanted["registration_access_token"])


# --- whatever is sent ------------------------------------------------------------------------------------------

odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
likely = st.sampled_from(
    [
        CALLBACK,
        [CALLBACK],
        ["http://127.0.0.1/cb"],
        "none",
        "native",
        "pairwise",
        "ES256",
        ["code"],
        [[]],
        [{}],
        "x y",
    ]
)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(sorted(MEMBERS)) | st.text(max_size=8), odd | likely, max_size=8))
def test_any_document_is_taken_or_refused(document: dict[str, Any]) -> None:
    said, secret = {"redirect_uris": [CALLBACK], **document}, Secret("s" * 32)
    try:
        client = read_self_registration(said, ClientId("x" * 43), policy(), Instant(7), secret=secret)
    except InvalidClientMetadata:
        return
    assert client.self_registered
    assert client.redirect_uris
    assert client.grant_types <= {"authorization_code", "refresh_token"}
    assert (client.skip_consent, client.allow_insecure_without_pkce) == (False, False)
    assert set(client.scope) <= set(SCOPE.split())
