"""The profile `fapi2` (FAPI 2.0 Security Profile and Message Signing): what it takes, refuses and announces."""

import json
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from proofkey.authorization_server.answers import Answer, Json, Jwt
from proofkey.authorization_server.keys import first_algorithms
from proofkey.authorization_server.metadata import build_metadata
from proofkey.authorization_server.policy import Lifetimes, Policy
from proofkey.authorization_server.profile import FAPI_FEATURES
from proofkey.authorization_server.registration import check_registration
from proofkey.authorization_server.self_registration import read_self_registration
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.errors import (
    ConfigurationError,
    InvalidClient,
    InvalidClientMetadata,
    InvalidDpopProof,
    InvalidGrant,
    InvalidRequest,
    InvalidRequestObject,
    OAuthError,
)
from proofkey.findings import Finding
from proofkey.protocol.certificate import read_client_certificate
from proofkey.protocol.client_assertion import HEADER_TYPE as ASSERTION
from proofkey.protocol.client_authentication import ASSERTION_TYPE
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.request_object import HEADER_TYPE as REQUEST_OBJECT
from proofkey.protocol.text import ClientId, Instant, Pairs
from proofkey.testing.client_certificate import make_client_certificate
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.driver import (
    CALLBACK,
    ISSUER,
    PEER,
    POLICY,
    SECRET,
    VERIFIER,
    Desk,
    Visitor,
    claims_of,
    client,
    credentials,
    header_of,
    open_desk,
    request,
    sent_back,
)
from tests.authorization_server.requests_kit import begin, finish

ALGORITHMS: Any = ("ES256", "PS256", "Ed25519")
KEYS = {name: key_for_tests(name, f"fapi {name}") for name in (*ALGORITHMS, "RS256")}
ES256 = KEYS["ES256"]
JWKS = json.dumps({"keys": [key.public_jwk for key in KEYS.values()]})
CERTIFICATE = read_client_certificate(make_client_certificate(dn="CN=bank").der)
SIGNED: dict[str, Any] = {"secret_digest": None, "token_endpoint_auth_method": "private_key_jwt", "jwks": JWKS}
BY_CERTIFICATE: dict[str, Any] = {
    "secret_digest": None,
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=bank",
}
HOLDS: dict[str, Any] = {"tls_client_certificate_bound_access_tokens": True}
FAPI: Policy = replace(
    POLICY,
    profile="fapi2",
    features=FAPI_FEATURES,
    lifetimes=Lifetimes(refresh_grace=0),
    client_certificates="verified",
    clients=(
        client("bank", **SIGNED),
        client("other", **SIGNED),
        client("tls", **BY_CERTIFICATE, **HOLDS),
        client("mixed", **SIGNED, **HOLDS),
        client("loose", **BY_CERTIFICATE),
    ),
)
_numbers = count()


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(FAPI)


class Bank:
    """A client that does all that the profile asks, unless it is told otherwise."""

    def __init__(self, desk: Desk, client_id: str = "bank") -> None:
        self.desk, self.client_id = desk, client_id
        self.key = DpopKey(key=ES256, clock=desk.clock)
        self.visitor = Visitor(desk.core)

    def assertion(self, algorithm: str = "ES256", **changes: Any) -> str:
        now = self.desk.clock.now()
        claims = {
            **{"iss": self.client_id, "sub": self.client_id, "aud": ISSUER},
            **{"iat": int(now), "exp": int(now) + 60, "jti": f"j {next(_numbers)}"},
            **changes,
        }
        return KEYS[algorithm].sign(
            ASSERTION, {name: value for name, value in claims.items() if value is not None}
        )

    def named(self, **changes: Any) -> Pairs:
        """The client's authentication."""
        if self.client_id in ("tls", "loose"):
            return (("client_id", self.client_id),)
        return (
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", self.assertion(**changes)),
        )

    def shown(self, path: str, *, proof: str | None = "", certificate: bool | None = None) -> Presented:
        """A proof and, where the client has one, its certificate."""
        holds = self.client_id in ("tls", "mixed", "loose") if certificate is None else certificate
        made = self.key.proof("POST", f"{ISSUER}{path}") if proof == "" else proof
        proves = made is not None and self.client_id == "bank"
        return Presented((made,) if proves and made else (), CERTIFICATE if holds else None)

    def request(self, **changes: Any) -> dict[str, str]:
        asked = {
            **{"client_id": self.client_id, "redirect_uri": CALLBACK, "response_type": "code"},
            **{"scope": "openid offline_access orders:read", "state": "the state", "nonce": "n" * 64},
            **{"code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"},
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def signed_request(self, algorithm: str = "ES256", **changes: Any) -> str:
        now = int(self.desk.clock.now())
        claims = {
            **self.request(),
            **{"iss": self.client_id, "aud": ISSUER, "nbf": now, "exp": now + 300},
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return KEYS[algorithm].sign(REQUEST_OBJECT, kept)

    async def push(
        self, presented: Presented | None = None, authentication: Pairs | None = None, **changes: Any
    ) -> str:
        """The request_uri."""
        sent = self.request(**changes) if "request" not in changes else changes
        pairs = (*(authentication or self.named()), *(one for one in sent.items() if one[0] != "client_id"))
        answer = await self.desk.core.push(pairs, (), PEER, presented or self.shown("/par"))
        assert isinstance(answer, Json)
        assert 0 < answer.body["expires_in"] < 600
        return str(answer.body["request_uri"])

    async def authorize(self, request_uri: str) -> Answer:
        return await finish(self.visitor, await begin(self.visitor, self.client_id, request_uri))

    async def code(self, **changes: Any) -> str:
        back = sent_back(await self.authorize(await self.push(**changes)))
        assert back["iss"] == ISSUER
        return back["code"]

    async def token(
        self, presented: Presented | None = None, authentication: Pairs | None = None, **form: Any
    ) -> dict[str, Any]:
        pairs = (*(authentication or self.named()), *form.items())
        answer = await self.desk.core.token(pairs, (), PEER, presented or self.shown("/token"))
        assert isinstance(answer, Json)
        return dict(answer.body)

    async def redeem(self, code: str, presented: Presented | None = None) -> dict[str, Any]:
        form: dict[str, Any] = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return await self.token(presented, grant_type="authorization_code", **form)


# --- the whole way --------------------------------------------------------------------------------------------


@pytest.mark.spec("F2-5.3.2.2-2..4", "F2-5.3.2.1-9", "9700-2.2.1-a", "F2-5.3.2.2-14", "F2-5.4.1-4")
@pytest.mark.parametrize("client_id", ["bank", "tls", "mixed"])
async def test_a_client_goes_the_whole_way_and_its_refresh_token_stays(desk: Desk, client_id: str) -> None:
    bank = Bank(desk, client_id)
    tokens = await bank.redeem(await bank.code())
    confirmed = claims_of(tokens["access_token"])["cnf"]
    assert set(confirmed) == ({"jkt"} if client_id == "bank" else {"x5t#S256"})
    assert header_of(tokens["access_token"])["alg"] == "ES256"
    assert claims_of(tokens["id_token"])["nonce"] == "n" * 64
    for _ in range(3):
        desk.clock.turn(100)
        again = await bank.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert again["refresh_token"] == tokens["refresh_token"]
    assert len(tokens["refresh_token"]) >= 43


@pytest.mark.spec("F2-5.3.2.1-11", "V10-10.4.3")
async def test_a_code_is_dead_after_sixty_seconds(desk: Desk) -> None:
    bank = Bank(desk)
    code = await bank.code()
    assert len(code) >= 43
    desk.clock.turn(60)
    with pytest.raises(InvalidGrant) as refused:
        await bank.redeem(code)
    assert refused.value.finding is Finding.CODE_EXPIRED


@pytest.mark.spec("F2-5.3.2.2-2..4", "V10-10.4.13")
async def test_nothing_but_pushed_requests(desk: Desk) -> None:
    bank = Bank(desk)
    plain = tuple(bank.request().items())
    signed = (("client_id", "bank"), ("request", bank.signed_request()))
    for pairs in (plain, signed):
        back = sent_back(await desk.core.authorize(pairs, bank.visitor.browser))
        assert (back["error"], back["iss"]) == ("invalid_request", ISSUER)
    stranger = (*(("client_id", "bank"),), *bank.request(client_id=None).items())
    with pytest.raises(InvalidClient):
        await desk.core.push(stranger, (), PEER, bank.shown("/par"))


# --- senders --------------------------------------------------------------------------------------------------

UNPROVEN = {
    "bank, no proof": ("bank", NOTHING, InvalidDpopProof),
    "by certificate, tokens bound to nothing": ("loose", Presented((), CERTIFICATE), InvalidDpopProof),
    "bound to a certificate that is not shown": ("mixed", NOTHING, InvalidRequest),
}


@pytest.mark.spec("9700-2.2.1-a", "V10-10.4.14")
@pytest.mark.parametrize(("client_id", "presented", "error"), UNPROVEN.values(), ids=UNPROVEN)
async def test_no_token_without_a_key(
    desk: Desk, client_id: str, presented: Presented, error: type[OAuthError]
) -> None:
    with pytest.raises(error):
        await Bank(desk, client_id).token(presented, grant_type="client_credentials")


@pytest.mark.spec("9449-10-a")
async def test_a_code_belongs_to_the_key_of_the_pushed_request(desk: Desk) -> None:
    bank = Bank(desk)
    code = await bank.code()
    other = DpopKey(clock=desk.clock).proof("POST", f"{ISSUER}/token")
    with pytest.raises(InvalidGrant):
        await bank.redeem(code, Presented((other,)))
    with pytest.raises(InvalidDpopProof):
        await bank.push(dpop_jkt="x" * 43)
    assert await bank.redeem(code)


AHEAD = {"0 s": (0, True), "8 s": (8, True), "10 s": (10, True), "61 s": (61, False), "-61 s": (-61, False)}


@pytest.mark.spec("F2-5.3.2.1-13")
@pytest.mark.parametrize(("seconds", "passes"), AHEAD.values(), ids=AHEAD)
@pytest.mark.parametrize("what", ["proof", "assertion iat", "assertion nbf", "request object"])
async def test_clocks_differ_a_little(desk: Desk, what: str, seconds: int, passes: bool) -> None:
    bank, moment = Bank(desk), int(desk.clock.now()) + seconds
    proof = bank.key.proof("POST", f"{ISSUER}/par", now=Instant(moment)) if what == "proof" else ""
    changes = {"assertion iat": {"iat": moment}, "assertion nbf": {"nbf": moment}}.get(what, {})
    request = bank.signed_request(nbf=moment) if what == "request object" else bank.signed_request()
    work = bank.push(bank.shown("/par", proof=proof), bank.named(**changes), request=request)
    if passes or (seconds < 0 and what != "proof"):  # only a proof gets old by its iat
        assert await work
        return
    with pytest.raises(OAuthError):
        await work


# --- client assertions ----------------------------------------------------------------------------------------

AUDIENCES: dict[str, tuple[Any, bool]] = {
    "the issuer": (ISSUER, True),
    "the issuer in a list": ([ISSUER], False),
    "two": ([ISSUER, f"{ISSUER}/token"], False),
    "the token endpoint": (f"{ISSUER}/token", False),
    "the endpoint of pushed requests": (f"{ISSUER}/par", False),
    "nobody": (None, False),
}


@pytest.mark.spec("7523b-4-a", "F2-5.3.2.1-8")
@pytest.mark.parametrize(("aud", "passes"), AUDIENCES.values(), ids=AUDIENCES)
async def test_an_assertion_names_the_issuer_as_one_string(desk: Desk, aud: Any, passes: bool) -> None:
    bank = Bank(desk)
    for work in (
        bank.token(authentication=bank.named(aud=aud), grant_type="client_credentials"),
        bank.push(authentication=bank.named(aud=aud)),
    ):
        if passes:
            assert await work
        else:
            with pytest.raises(InvalidClient):
                await work


async def test_the_standard_profile_takes_the_list_too() -> None:
    bank = Bank(await open_desk(replace(FAPI, profile="standard")))
    assert await bank.token(authentication=bank.named(aud=[ISSUER]), grant_type="client_credentials")


@pytest.mark.spec("OC-2-b", "F2-5.4.1")
@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "RS256"])
async def test_nothing_is_signed_with_rs256(desk: Desk, algorithm: str) -> None:
    bank = Bank(desk)
    proof = DpopKey(key=KEYS[algorithm], clock=desk.clock).proof("POST", f"{ISSUER}/token")
    ways = {
        "proof": (InvalidDpopProof, bank.token(Presented((proof,)), grant_type="client_credentials")),
        "assertion": (
            InvalidClient,
            bank.token(authentication=bank.named(algorithm=algorithm), grant_type="client_credentials"),
        ),
        "request": (InvalidRequestObject, bank.push(request=bank.signed_request(algorithm))),
    }
    for error, work in ways.values():
        if algorithm != "RS256":
            assert await work
            continue
        with pytest.raises(error):
            await work


# --- message signing ------------------------------------------------------------------------------------------

OBJECTS: dict[str, tuple[dict[str, Any], bool]] = {
    "honest": ({}, True),
    "an hour": ({"exp": 3600}, True),
    "more than an hour": ({"exp": 3601}, False),
    "an hour old": ({"nbf": -3590, "exp": 5}, True),
    "older than an hour": ({"nbf": -3611, "exp": 60}, False),
    "no nbf": ({"nbf": None}, False),
    "no exp": ({"exp": None}, False),
    "over": ({"nbf": -100, "exp": -11}, False),
    "for somebody else": ({"aud": "https://else.test"}, False),
    "for two": ({"aud": [ISSUER, "https://else.test"]}, True),
    "no audience": ({"aud": None}, False),
    "of another client": ({"iss": "other"}, False),
}


@pytest.mark.spec("F2M-5.3.1")
@pytest.mark.parametrize(("changes", "passes"), OBJECTS.values(), ids=OBJECTS)
async def test_a_request_object_is_dated(desk: Desk, changes: dict[str, Any], passes: bool) -> None:
    bank, now = Bank(desk), int(desk.clock.now())
    moved: dict[str, Any] = {
        name: now + value if isinstance(value, int) else value for name, value in changes.items()
    }
    if passes:
        code = await bank.code(request=bank.signed_request(**moved))
        assert (await bank.redeem(code))["token_type"] == "DPoP"
        return
    with pytest.raises(InvalidRequestObject):
        await bank.push(request=bank.signed_request(**moved))


@pytest.mark.spec("F2M-5.3.1")
async def test_the_standard_profile_takes_an_object_without_nbf() -> None:
    bank = Bank(await open_desk(replace(FAPI, profile="standard")))
    assert await bank.push(request=bank.signed_request(nbf=None))


@pytest.mark.spec("JARM", "F2M-5.4")
@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
async def test_an_answer_is_signed_on_request(desk: Desk, mode: str) -> None:
    bank = Bank(desk)
    back = sent_back(await bank.authorize(await bank.push(response_mode=mode)))
    assert back.keys() == {"response"}
    claims = claims_of(back["response"])
    now = int(desk.clock.now())
    assert (claims["iss"], claims["aud"], claims["state"]) == (ISSUER, "bank", "the state")
    assert now < claims["exp"] <= now + 600
    assert header_of(back["response"])["alg"] == "ES256"
    assert await bank.redeem(claims["code"])


@pytest.mark.spec("9701", "F2M-5.5")
async def test_introspection_is_signed_on_request(desk: Desk) -> None:
    bank = Bank(desk)
    tokens = await bank.token(grant_type="client_credentials")
    pairs = (*bank.named(), ("token", tokens["access_token"]))
    answer = await desk.core.introspect(pairs, (), PEER, signed=True)
    assert isinstance(answer, Jwt)
    claims = claims_of(answer.token)
    assert (claims["iss"], claims["aud"]) == (ISSUER, "bank")
    assert claims["token_introspection"]["active"]
    assert claims["token_introspection"]["cnf"] == {"jkt": bank.key.jkt}
    assert "exp" not in claims
    assert header_of(answer.token)["alg"] == "ES256"


# --- announced ------------------------------------------------------------------------------------------------


@pytest.mark.spec("F2-5.4.1", "9126-5", "F2M-5.5")
async def test_the_metadata_say_what_is_taken(desk: Desk) -> None:
    document = dict(desk.core.metadata())
    assert document["require_pushed_authorization_requests"] is True
    methods = ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"]
    for name, value in document.items():
        if name.endswith("_auth_methods_supported"):
            assert value == methods, name
        if "signing_alg_values_supported" in name:
            assert value, name
            assert set(value) <= {"ES256", "PS256", "Ed25519", "EdDSA"}, name
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["tls_client_certificate_bound_access_tokens"] is True
    assert "jwt" in document["response_modes_supported"]
    assert "RS256" not in json.dumps(document)
    assert "RS256" in json.dumps(build_metadata(replace(FAPI, profile="standard")))


def test_the_first_start_makes_no_rsa_key() -> None:
    assert first_algorithms(FAPI) == ("ES256",)
    assert first_algorithms(POLICY) == ("ES256", "RS256")


# --- registered -----------------------------------------------------------------------------------------------

PUBLIC: dict[str, Any] = {
    "token_endpoint_auth_method": "none",
    "jwks": None,
    "grant_types": frozenset({"authorization_code", "refresh_token"}),
}
FORBIDDEN: dict[str, tuple[dict[str, Any], str]] = {
    "a public client": (PUBLIC, "token_endpoint_auth_method"),
    **{
        method: (
            {"token_endpoint_auth_method": method, "secret_digest": "x" * 43},
            "token_endpoint_auth_method",
        )
        for method in ("client_secret_basic", "client_secret_post")
    },
    "keys for RS256 alone": (
        {"jwks": json.dumps({"keys": [KEYS["RS256"].public_jwk]})},
        "jwks",
    ),
    "without PKCE": ({"allow_insecure_without_pkce": True}, "allow_insecure_without_pkce"),
    **{
        member: ({member: "RS256"}, member)
        for member in (
            *("id_token_signed_response_alg", "userinfo_signed_response_alg"),
            *("introspection_signed_response_alg", "authorization_signed_response_alg"),
            *("request_object_signing_alg", "token_endpoint_auth_signing_alg"),
        )
    },
}


@pytest.mark.spec("F2-5.3.2.1", "F2-5.4.1", "V10-10.4.16")
@pytest.mark.parametrize(("changes", "member"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_client_that_contradicts_the_profile_is_refused(changes: dict[str, Any], member: str) -> None:
    registration = client("bank", **{**SIGNED, **changes})
    with pytest.raises(ConfigurationError) as refused:
        check_registration(registration, ISSUER, policy=FAPI)
    assert refused.value.facts["client_id"] == "bank"
    assert refused.value.facts["member"] == member
    check_registration(registration, ISSUER, policy=replace(FAPI, profile="standard"))


@pytest.mark.spec("F2-5.3.2.1")
@pytest.mark.parametrize("client_id", ["web", "post", "native", "old"])
async def test_a_client_from_before_the_profile_gets_nothing(client_id: str) -> None:
    before = await open_desk(POLICY)
    desk = await open_desk(FAPI, before.store, before.clock)
    proof = Presented((DpopKey(clock=desk.clock).proof("POST", f"{ISSUER}/token"),))
    headers, pairs = credentials(client_id, SECRET)
    with pytest.raises(InvalidClient) as refused:
        await desk.core.token((*pairs, ("grant_type", "client_credentials")), headers, PEER, proof)
    assert refused.value.facts["member"] == "token_endpoint_auth_method"
    with pytest.raises(InvalidClient):
        await desk.core.push(tuple((request(client_id) | dict(pairs)).items()), headers, PEER)
    back = sent_back(await Visitor(desk.core).authorize(client_id))
    assert back["error"] == "invalid_request"


@pytest.mark.parametrize("registration", FAPI.clients, ids=lambda one: one.client_id)
def test_a_client_that_fits_is_taken(registration: Any) -> None:
    check_registration(registration, ISSUER, policy=FAPI)


@pytest.mark.spec("F2-5.4.1", "V11-11.2.3")
@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param({"kty": "RSA", "n": "x" * 170, "e": "AQAB", "alg": "PS256"}, id="RSA of 1020 bits"),
        pytest.param({"kty": "EC", "crv": "P-192", "x": "x" * 32, "y": "x" * 32}, id="P-192"),
    ],
)
def test_small_keys_prove_nothing(jwk: dict[str, str]) -> None:
    registration = client("bank", **SIGNED | {"jwks": json.dumps({"keys": [jwk | {"kid": "small"}]})})
    with pytest.raises(ConfigurationError) as refused:
        check_registration(registration, ISSUER, policy=FAPI)
    assert refused.value.facts["member"] == "jwks"


@pytest.mark.spec("F2-5.4.3")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_keys_of_one_name_are_told_apart_by_their_kind(algorithm: str) -> None:
    keys = [key_for_tests(name, "one name") for name in ALGORITHMS]
    jwks = json.dumps({"keys": [key.public_jwk for key in keys]})
    desk = await open_desk(replace(FAPI, clients=(client("bank", **SIGNED | {"jwks": jwks}),)))
    bank = Bank(desk)
    key = keys[ALGORITHMS.index(algorithm)]
    now = int(desk.clock.now())
    claims = {"iss": "bank", "sub": "bank", "aud": ISSUER, "jti": "one", "iat": now, "exp": now + 60}
    proven = (("client_assertion_type", ASSERTION_TYPE), ("client_assertion", key.sign(ASSERTION, claims)))
    assert await bank.token(authentication=proven, grant_type="client_credentials")


SELF: dict[str, Any] = {
    "redirect_uris": [CALLBACK],
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": json.loads(JWKS),
}
SELF_REFUSED: dict[str, dict[str, Any]] = {
    "public": {"token_endpoint_auth_method": "none", "jwks": None},
    "with a secret": {"token_endpoint_auth_method": "client_secret_basic", "jwks": None},
    "RS256": {"id_token_signed_response_alg": "RS256"},
    "an unknown type of details": {"authorization_details_types": ["payment"]},
}


@pytest.mark.spec("F2-5.3.2.1", "F2-5.4.1")
@pytest.mark.parametrize("changes", [{}, *SELF_REFUSED.values()], ids=["fits", *SELF_REFUSED])
async def test_a_client_that_registers_itself_fits_the_profile(desk: Desk, changes: dict[str, Any]) -> None:
    document, now = {**SELF, **changes}, desk.clock.now()
    if not changes:
        registered = read_self_registration(document, ClientId("self"), FAPI, now)
        assert registered.id_token_signed_response_alg == "ES256", "RS256 elsewhere"
        return
    with pytest.raises(InvalidClientMetadata):
        read_self_registration(document, ClientId("self"), FAPI, now)
