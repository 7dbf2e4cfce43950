"""What OpenID adds: subjects by sector, authentication context, single claims, keys made on demand."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json, Jwt
from proofkey.authorization_server.authentication_context import ContextAsked, read_context
from proofkey.authorization_server.authorize import ChooseAccount, Issue, Login, Refuse, next_step, read_asked
from proofkey.authorization_server.claims import claims_about
from proofkey.authorization_server.consent import covers
from proofkey.authorization_server.decision import check_may_act
from proofkey.authorization_server.records import Consent, SignIn, User
from proofkey.authorization_server.registration import check_registration
from proofkey.authorization_server.requested_claims import (
    NO_CLAIMS,
    SingleClaims,
    grantable_claims,
    read_single_claims,
    write_details,
)
from proofkey.authorization_server.subject import Subjects, sector_of
from proofkey.errors import ConfigurationError, InvalidGrant
from proofkey.findings import Finding
from proofkey.protocol.claims_request import ClaimRequest, ClaimsRequest
from proofkey.protocol.jose import SigningAlgorithm
from proofkey.protocol.messages import AuthorizationRequest
from proofkey.protocol.pkce import challenge_of
from proofkey.protocol.text import ClientId, Instant, Subject
from tests.authorization_server.driver import (
    CALLBACK,
    ISSUER,
    POLICY,
    PUBLIC,
    VERIFIER,
    Desk,
    Visitor,
    claims_of,
    client,
    header_of,
    open_desk,
)

NOW = Instant(1_800_000_000)
SECTOR = "https://sector.test/uris.json"
CLASSES = {"low": ("pwd",), "high": ("pwd", "otp")}
ONE_HOST = frozenset({"https://rp.test/a", "https://rp.test/b"})


# --- subjects --------------------------------------------------------------------------------------------------


@pytest.mark.spec("OC-8.1-a")
def test_a_pairwise_subject_depends_on_the_key_the_sector_and_the_person() -> None:
    shop = client("shop", subject_type="pairwise")
    names = {
        Subjects(key).of(Subject(sub), replace(shop, redirect_uris=frozenset({uri})))
        for key in (b"one", b"two")
        for sub in ("u1", "u2")
        for uri in ("https://a.test/cb", "https://b.test/cb")
    }
    assert len(names) == 8
    assert Subjects(b"one").of(Subject("u1"), client("web")) == "u1"
    assert Subjects(b"one").session("s1", client("web")) == "s1"
    assert Subjects(b"one").session(None, shop) is None
    assert Subjects(b"one").session("u1", shop) != Subjects(b"one").of(Subject("u1"), shop)[:22]
    assert "one" not in repr(Subjects(b"one"))


@pytest.mark.spec("OC-8.1-a")
@pytest.mark.parametrize(
    ("changes", "sector"),
    [
        ({"redirect_uris": frozenset({"https://RP.test:8443/a", "https://rp.test/b"})}, "rp.test"),
        ({"sector_identifier_uri": "https://Sector.test/x"}, "sector.test"),
    ],
)
def test_the_sector_is_a_host(changes: dict[str, Any], sector: str) -> None:
    assert sector_of(client("shop", subject_type="pairwise", **changes)) == sector


@pytest.mark.spec("OC-8.1-a", "OR-2-a")
@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"subject_type": "both"}, "subject_type"),
        ({"redirect_uris": frozenset({"https://a.test/cb", "https://b.test/cb"})}, "subject_type"),
        ({**PUBLIC, "redirect_uris": frozenset({"http://127.0.0.1/cb"})}, "subject_type"),
        ({**PUBLIC, "redirect_uris": frozenset({"com.acme.app:/cb"})}, "subject_type"),
        ({"sector_identifier_uri": "https://other.test/x"}, "sector_identifier_uri"),
        ({"sector_identifier_uri": "http://sector.test/uris.json"}, "sector_identifier_uri"),
        ({"id_token_signed_response_alg": "ES384"}, "id_token_signed_response_alg"),
        ({"userinfo_signed_response_alg": "none"}, "userinfo_signed_response_alg"),
        ({"default_max_age": -1}, "default_max_age"),
    ],
)
def test_a_registration_is_refused(changes: dict[str, Any], member: str) -> None:
    registration = client("shop", **{"subject_type": "pairwise", "redirect_uris": ONE_HOST, **changes})
    with pytest.raises(ConfigurationError) as refused:
        check_registration(registration, ISSUER, frozenset({SECTOR}))
    assert (refused.value.finding, refused.value.facts["member"]) == (Finding.CLIENT_METADATA_BAD, member)


@pytest.mark.spec("OC-8.1-a")
@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": ONE_HOST},
        {"redirect_uris": frozenset({"https://a.test/cb", "https://b.test/cb"}), "sector_identifier_uri": SECTOR},
        {"redirect_uris": frozenset({"http://localhost:8000/cb"})},
    ],
    ids=["one host", "a configured sector", "loopback beside a loopback issuer"],
)
def test_a_registration_is_taken(changes: dict[str, Any]) -> None:
    registration = client("shop", subject_type="pairwise", post_logout_redirect_uris=frozenset[str](), **changes)
    check_registration(registration, "http://localhost:9000", frozenset({SECTOR}))


# --- authentication context ------------------------------------------------------------------------------------


def _context(
    acr_values: tuple[str, ...] = (), defaults: tuple[str, ...] = (), **asked: ClaimRequest
) -> ContextAsked:
    policy = replace(POLICY, acr_values=CLASSES)
    return read_context(acr_values, ClaimsRequest(asked), client("web", default_acr_values=defaults), policy)


@pytest.mark.spec("9470-4-a", "OC-5.5.1.1")
@pytest.mark.parametrize(
    ("context", "factors", "met", "attainable", "reached"),
    [
        (_context(), ("pwd",), True, True, "low"),
        (_context(), ("pwd", "otp"), True, True, "high"),
        (_context(), ("fpt",), True, True, None),
        (_context(("low",)), ("pwd", "otp"), True, True, "low"),
        (_context(("x", "high", "low")), ("pwd",), True, True, "low"),
        (_context(defaults=("low",)), ("pwd", "otp"), True, True, "low"),
        (_context(("high",), defaults=("low",)), ("pwd", "otp"), True, True, "high"),
        (_context(acr=ClaimRequest(values=("high",))), ("pwd",), True, True, "low"),
        (_context(acr=ClaimRequest(essential=True)), ("pwd",), True, True, "low"),
        (_context(acr=ClaimRequest(essential=True, values=("high",))), ("pwd",), False, False, "low"),
        (_context(acr=ClaimRequest(essential=True, values=("high",))), ("pwd", "otp"), True, False, "high"),
        (_context(acr=ClaimRequest(essential=True, values=("low",))), ("otp",), False, True, None),
        (_context(acr=ClaimRequest(essential=True, values=("high", "low"))), ("pwd",), True, True, "low"),
        (_context(acr=ClaimRequest(essential=True, values=(1, None))), ("pwd",), False, False, "low"),
    ],
)
def test_what_a_sign_in_reaches(
    context: ContextAsked, factors: tuple[str, ...], *, met: bool, attainable: bool, reached: str | None
) -> None:
    found = (context.is_met(factors), context.is_attainable(), context.reached(factors))
    assert found == (met, attainable, reached)


def _sign_in(auth_time: int = -30, amr: tuple[str, ...] = ("pwd",)) -> SignIn:
    at = Instant(NOW + auth_time)
    return SignIn(
        sid="s1", digest="d", sub=Subject("u1"), auth_time=at, amr=amr, created_at=at, seen_at=at,
        absolute_expires_at=Instant(NOW + 1000),
    )  # fmt: skip


async def _step(
    changes: dict[str, Any], sign_in: SignIn | None, since: Instant | None = None, begun: int = -10
) -> str:
    desk = await open_desk(replace(POLICY, acr_values=CLASSES))
    role = desk.core._role
    request = AuthorizationRequest(
        client_id=ClientId("first"),
        redirect_uri=CALLBACK,
        scope=("openid",),
        code_challenge=challenge_of(VERIFIER),
        code_challenge_method="S256",
        **changes,
    )
    asked = read_asked(request, client("first", skip_consent=True), role)
    step = next_step(asked, sign_in, None, NOW, since, Instant(NOW + begun))
    return step.error.error if isinstance(step, Refuse) else type(step).__name__


ESSENTIAL = '{"id_token": {"acr": {"essential": true, "values": ["%s"]}}}'
FRESH = Instant(NOW - 5)


@pytest.mark.spec("OC-3.1.2.1-c", "OC-3.1.2.3-a", "OC-3.1.2.1-b", "9470-4-a")
@pytest.mark.parametrize(
    ("changes", "sign_in", "since", "step"),
    [
        ({"prompt": {"select_account"}}, None, None, Login.__name__),
        ({"prompt": {"select_account"}}, _sign_in(), None, ChooseAccount.__name__),
        ({"prompt": {"select_account"}}, _sign_in(), Instant(NOW - 30), Issue.__name__),
        ({"prompt": {"select_account"}}, _sign_in(-5), FRESH, Issue.__name__),
        ({"prompt": {"select_account", "login"}}, _sign_in(), None, Login.__name__),
        ({"prompt": {"select_account", "login"}}, _sign_in(), Instant(NOW - 30), Login.__name__),
        ({"prompt": {"select_account", "login"}}, _sign_in(-5), FRESH, Issue.__name__),
        ({"prompt": {"select_account"}, "max_age": 20}, _sign_in(), None, Login.__name__),
        ({"prompt": {"select_account"}, "max_age": 20}, _sign_in(), Instant(NOW - 30), Login.__name__),
        ({"max_age": 0}, _sign_in(-5), FRESH, Issue.__name__),
        ({"claims": ESSENTIAL % "high"}, None, None, "unmet_authentication_requirements"),
        ({"claims": ESSENTIAL % "high"}, _sign_in(), None, "unmet_authentication_requirements"),
        ({"claims": ESSENTIAL % "high"}, _sign_in(amr=("pwd", "otp")), None, Issue.__name__),
        ({"claims": ESSENTIAL % "low"}, _sign_in(amr=("otp",)), None, Login.__name__),
        ({"claims": ESSENTIAL % "low", "prompt": {"none"}}, _sign_in(amr=("otp",)), None, "login_required"),
        ({"claims": ESSENTIAL % "low"}, _sign_in(-5, ("otp",)), FRESH, "unmet_authentication_requirements"),
    ],
)
async def test_what_comes_next(
    changes: dict[str, Any], sign_in: SignIn | None, since: Instant | None, step: str
) -> None:
    named = {name: frozenset(value) if isinstance(value, set) else value for name, value in changes.items()}
    assert await _step(named, sign_in, since) == step


# --- single claims ---------------------------------------------------------------------------------------------

ANN = User(
    sub=Subject("u1"),
    username="ann",
    password_hash="",
    claims={
        **{"email": "ann@op.test", "phone_number": "", "phone_number_verified": True, "nickname": ""},
        **{"address": {"country": "NO", "region": ""}, "website": None},
    },
)


@pytest.mark.spec("OC-5.4-a", "OC-5.7-a")
@pytest.mark.parametrize(
    ("scope", "single", "told"),
    [
        (("openid",), {}, {}),
        (("email",), {}, {"email": "ann@op.test", "email_verified": False}),
        (("phone", "address"), {}, {"address": {"country": "NO"}}),
        ((), {"email": ()}, {"email": "ann@op.test"}),
        ((), {"email": ("x", "ann@op.test")}, {"email": "ann@op.test"}),
        ((), {"email": ("x",)}, {}),
        ((), {"nickname": (), "website": (), "unknown": (), "phone_number_verified": ()}, {}),
    ],
)
def test_what_is_told(scope: tuple[str, ...], single: dict[str, Any], told: dict[str, Any]) -> None:
    assert claims_about(ANN, scope, single) == told


@pytest.mark.spec("OC-5.4-a")
@pytest.mark.parametrize("address", ["Oslo", 7, {"country": ""}])
def test_an_address_that_is_no_object_is_left_out(address: object) -> None:
    assert claims_about(replace(ANN, claims={"address": address}), ("address",)) == {}


@pytest.mark.spec("OC-5.4-a", "V10-10.4.4")
def test_what_of_it_can_be_granted() -> None:
    asked = ClaimsRequest(
        {
            "email": ClaimRequest(values=("x",)),
            "name": ClaimRequest(),
            "sub": ClaimRequest(),
            "x y": ClaimRequest(),
        },
        {"phone_number": ClaimRequest(), "email": ClaimRequest()},
    )
    web = client("web")  # registered for profile and email
    granted = grantable_claims(asked, ("openid", "profile"), web)
    assert granted == SingleClaims({"email": ("x",)}, {"email": ()})
    assert granted.names == ("email",)
    assert granted.consent_items == ('"email"',)
    assert read_single_claims(write_details(granted)) == granted
    assert grantable_claims(asked, ("profile",), web) == NO_CLAIMS
    assert write_details(NO_CLAIMS) is None
    assert read_single_claims('{"authorization_details": []}') == NO_CLAIMS


@pytest.mark.spec("OC-3.1.2.4-a")
@pytest.mark.parametrize(
    ("allowed", "covered"),
    [
        ({"openid"}, False),
        ({"openid", '"email"'}, True),
        ({"openid", "email"}, True),
        ({"openid", "profile", '"name"'}, False),
        ({'"email"'}, False),
    ],
)
def test_what_a_consent_covers(allowed: set[str], *, covered: bool) -> None:
    consent = Consent(
        sub=Subject("u1"),
        client_id=ClientId("web"),
        scope=frozenset(allowed),
        resource=frozenset(),
        granted_at=NOW,
    )
    assert covers(consent, ("openid", '"email"'), ()) is covered


@pytest.mark.spec("OC-3.1.2.4-a", "design §4.2")
async def test_a_grant_acts_only_while_its_single_claims_are_allowed() -> None:
    desk = await open_desk()
    visitor = Visitor(desk.core)
    wish = '{"userinfo": {"email": null}}'
    tokens = await visitor.tokens(desk, scope="openid offline_access", claims=wish)
    assert await desk.userinfo(tokens["access_token"]) == {"sub": "u1", "email": "ann@op.test"}
    id_ = claims_of(tokens["access_token"])["authorization_id"]
    standing = await desk.store.find_authorization(id_)
    assert standing is not None
    assert standing.consent is not None
    assert '"email"' in standing.consent.scope
    check_may_act(standing, desk.clock.now())
    less = replace(standing.consent, scope=standing.consent.scope - {'"email"'})
    with pytest.raises(InvalidGrant) as refused:
        check_may_act(replace(standing, consent=less), desk.clock.now())
    assert refused.value.finding is Finding.GRANT_CONSENT_WITHDRAWN


# --- keys on demand, UserInfo as a JWT -------------------------------------------------------------------------


async def _desk_for(**changes: Any) -> Desk:
    return await open_desk(replace(POLICY, clients=(client("first", skip_consent=True, **changes),)))


@pytest.mark.spec("OC-15.1-a", "8725b-3.1-a", "OC-10.1.1-a")
@pytest.mark.parametrize("algorithm", ["Ed25519", "EdDSA"])
async def test_the_first_client_that_needs_a_key_brings_it(algorithm: SigningAlgorithm) -> None:
    desk = await _desk_for(id_token_signed_response_alg=algorithm)
    published = {key["alg"]: key["kid"] for key in desk.core.jwks()["keys"]}
    assert set(published) == {"ES256", "RS256", algorithm}
    assert algorithm in desk.core.metadata()["id_token_signing_alg_values_supported"]
    tokens = await Visitor(desk.core).tokens(desk, "first")
    header = header_of(tokens["id_token"])
    assert (header["alg"], header["kid"]) == (algorithm, published[algorithm])
    assert header_of(tokens["access_token"])["alg"] == "ES256"
    await desk.core.start()
    assert {key["alg"]: key["kid"] for key in desk.core.jwks()["keys"]} == published


@pytest.mark.spec("OC-15.1-a")
async def test_a_client_whose_key_nobody_made_at_its_registration_gets_it_with_its_first_token() -> None:
    desk = await _desk_for()
    registered = client("first", skip_consent=True, id_token_signed_response_alg="Ed25519")
    await desk.store.put_client(registered, desk.clock.now())
    metadata = desk.core.metadata()
    assert "Ed25519" not in metadata["id_token_signing_alg_values_supported"]
    tokens = await Visitor(desk.core).tokens(desk, "first")
    assert header_of(tokens["id_token"])["alg"] == "Ed25519"
    assert desk.core.metadata()["id_token_signing_alg_values_supported"] == ["RS256", "ES256", "Ed25519"]
    assert desk.core.metadata() is not metadata


@pytest.mark.spec("OC-5.3-a")
async def test_userinfo_is_json_or_a_jwt_as_the_client_is_registered() -> None:
    desk = await _desk_for(userinfo_signed_response_alg="RS256")
    tokens = await Visitor(desk.core).tokens(desk, "first", scope="openid email")
    answer = await desk.core.userinfo((f"Bearer {tokens['access_token']}",), ())
    assert isinstance(answer, Jwt)
    assert answer.media_type == "application/jwt"
    assert header_of(answer.token)["alg"] == "RS256"
    said = {"email": "ann@op.test", "email_verified": True}
    assert claims_of(answer.token) == {"sub": "u1", **said, "iss": ISSUER, "aud": "first"}
    plain = await _desk_for()
    tokens = await Visitor(plain.core).tokens(plain, "first", scope="openid email")
    answer = await plain.core.userinfo((f"Bearer {tokens['access_token']}",), ())
    assert isinstance(answer, Json)
    assert answer.body == {"sub": "u1", **said}
