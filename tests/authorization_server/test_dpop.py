"""DPoP at the role: what a proof binds, and who may use what is bound."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.sender import Presented
from proofkey.errors import InvalidDpopProof, InvalidGrant, InvalidToken, NoCredentials, OAuthError, UseDpopNonce
from proofkey.findings import Finding
from proofkey.protocol.text import Instant, Pairs, Secret
from proofkey.runtime.master_key import MasterKey
from proofkey.runtime.server_core import server_nonces
from proofkey.testing.dpop import DpopKey
from proofkey.testing.tokens import key_for_tests
from tests.authorization_server.driver import (
    CALLBACK,
    ISSUER,
    LOOPBACK,
    MASTER_KEY,
    PEER,
    POLICY,
    PUBLIC,
    SECRET,
    VERIFIER,
    Desk,
    Visitor,
    claims_of,
    client,
    credentials,
    open_desk,
    sent_back,
)

TOKEN = f"{ISSUER}/token"
USERINFO = f"{ISSUER}/userinfo"
POLICY_WITH_BOUND = replace(
    POLICY,
    clients=(
        *POLICY.clients,
        client("strict", dpop_bound_access_tokens=True),
        client("strict-native", **PUBLIC, dpop_bound_access_tokens=True),
    ),
)


@pytest.fixture
async def desk() -> Desk:
    return await open_desk(POLICY_WITH_BOUND)


def key_of(desk: Desk, name: str = "dpop") -> DpopKey:
    return DpopKey(key=key_for_tests("ES256", name), clock=desk.clock)


async def ask(desk: Desk, client_id: str = "web", *proofs: str, **form: str) -> Json:
    headers, pairs = ((), (("client_id", client_id),)) if "native" in client_id else credentials(client_id, SECRET)
    answer = await desk.core.token((*pairs, *form.items()), headers, PEER, Presented(proofs))
    assert isinstance(answer, Json)
    return answer


async def token(desk: Desk, client_id: str = "web", key: DpopKey | None = None, **form: str) -> dict[str, Any]:
    proofs = () if key is None else (key.proof("POST", TOKEN),)
    return dict((await ask(desk, client_id, *proofs, **form)).body)


async def redeem(desk: Desk, code: str, client_id: str = "web", key: DpopKey | None = None) -> dict[str, Any]:
    uri = LOOPBACK if "native" in client_id else CALLBACK
    return await token(
        desk, client_id, key, grant_type="authorization_code", code=code, code_verifier=VERIFIER, redirect_uri=uri
    )


async def refresh(desk: Desk, token_: str, client_id: str = "web", key: DpopKey | None = None) -> dict[str, Any]:
    return await token(desk, client_id, key, grant_type="refresh_token", refresh_token=token_)


async def code_for(desk: Desk, client_id: str = "web", **changes: str) -> str:
    if client_id == "strict-native":
        changes.setdefault("redirect_uri", LOOPBACK)
    return (await Visitor(desk.core).walk(client_id, **changes))["code"]


async def userinfo(desk: Desk, scheme: str, token_: str, *proofs: str, pairs: Pairs = ()) -> Mapping[str, Any]:
    headers = () if pairs else (f"{scheme} {token_}",)
    answer = await desk.core.userinfo(headers, pairs, Presented(proofs), "GET")
    assert isinstance(answer, Json)
    return answer.body


async def refusal_of(call: Any) -> OAuthError:
    with pytest.raises(OAuthError) as refused:
        await call
    return refused.value


# --- what is issued -----------------------------------------------------------------------------------------


@pytest.mark.spec("9449-5-b", "9700-2.2.1-a")
async def test_a_proof_binds_the_access_token(desk: Desk) -> None:
    key = key_of(desk)
    for tokens in (
        await token(desk, "web", key, grant_type="client_credentials"),
        await redeem(desk, await code_for(desk), "web", key),
        await redeem(desk, await code_for(desk, "native"), "native", key),
    ):
        assert tokens["token_type"] == "DPoP"
        assert claims_of(tokens["access_token"])["cnf"] == {"jkt": key.jkt}


async def test_without_a_proof_nothing_is_bound(desk: Desk) -> None:
    tokens = await redeem(desk, await code_for(desk))
    assert tokens["token_type"] == "Bearer"
    assert "cnf" not in claims_of(tokens["access_token"])


@pytest.mark.spec("9449-5.2-a", "9700-2.2.1-a")
@pytest.mark.parametrize("client_id", ["strict", "strict-native"])
async def test_a_client_that_must_prove_a_key_is_refused_without(desk: Desk, client_id: str) -> None:
    code = await code_for(desk, client_id)
    refused = await refusal_of(redeem(desk, code, client_id))
    assert (refused.error, refused.finding) == ("invalid_dpop_proof", Finding.DPOP_PROOF_NEEDED)
    assert (await redeem(desk, code, client_id, key_of(desk)))["token_type"] == "DPoP"


# --- codes --------------------------------------------------------------------------------------------------


@pytest.mark.spec("9449-10-a")
@pytest.mark.parametrize("client_id", ["web", "native"])
async def test_a_code_is_redeemed_with_the_key_that_the_request_named_alone(desk: Desk, client_id: str) -> None:
    key, other = key_of(desk), key_of(desk, "other")
    code = await code_for(desk, client_id, dpop_jkt=key.jkt)
    assert (await refusal_of(redeem(desk, code, client_id, other))).error == "invalid_grant"
    assert (await refusal_of(redeem(desk, code, client_id))).error == "invalid_dpop_proof"
    tokens = await redeem(desk, code, client_id, key)
    assert claims_of(tokens["access_token"])["cnf"] == {"jkt": key.jkt}


@pytest.mark.spec("9449-10-a")
async def test_the_named_key_survives_the_pages(desk: Desk) -> None:
    visitor, key = Visitor(desk.core), key_of(desk)
    back = await visitor.walk("web", prompt="login", dpop_jkt=key.jkt)
    assert (await refusal_of(redeem(desk, back["code"], "web", key_of(desk, "other")))).error == "invalid_grant"


@pytest.mark.parametrize("jkt", ["x", "j" * 42, "j" * 44, "=" * 43, "é" * 43])
async def test_a_thumbprint_that_is_none_is_refused(desk: Desk, jkt: str) -> None:
    assert sent_back(await Visitor(desk.core).authorize("web", dpop_jkt=jkt))["error"] == "invalid_request"


@pytest.mark.spec("6749-4.1.2-a")
async def test_a_used_code_ends_the_family_whatever_key_comes_with_it(desk: Desk) -> None:
    key = key_of(desk)
    code = await code_for(desk)
    tokens = await redeem(desk, code, "web", key)
    refused = await refusal_of(redeem(desk, code, "web", key_of(desk, "other")))
    assert refused.finding is Finding.CODE_USED
    assert (await refusal_of(refresh(desk, tokens["refresh_token"], "web", key))).error == "invalid_grant"


# --- refresh tokens -----------------------------------------------------------------------------------------


@pytest.mark.spec("9449-5-a")
async def test_a_public_clients_refresh_token_needs_its_key(desk: Desk) -> None:
    key = key_of(desk)
    tokens = await redeem(desk, await code_for(desk, "native"), "native", key)
    first = tokens["refresh_token"]
    refused = await refusal_of(refresh(desk, first, "native", key_of(desk, "other")))
    assert (refused.error, refused.finding) == ("invalid_grant", Finding.DPOP_GRANT_KEY_OTHER)
    assert (await refusal_of(refresh(desk, first, "native"))).error == "invalid_dpop_proof"
    again = await refresh(desk, first, "native", key)
    assert again["refresh_token"] != first
    assert claims_of(again["access_token"])["cnf"] == {"jkt": key.jkt}
    assert (await refresh(desk, first, "native", key))["refresh_token"] == again["refresh_token"]
    assert (await refusal_of(refresh(desk, first, "native", key_of(desk, "other")))).error == "invalid_grant"
    assert await refresh(desk, again["refresh_token"], "native", key)


@pytest.mark.spec("9700-2.2.2-a")
async def test_a_used_refresh_token_ends_the_family_with_its_key_or_without(desk: Desk) -> None:
    key = key_of(desk)
    first = (await redeem(desk, await code_for(desk, "native"), "native", key))["refresh_token"]
    second = (await refresh(desk, first, "native", key))["refresh_token"]
    desk.clock.turn(11)
    assert (await refusal_of(refresh(desk, first, "native"))).finding is Finding.REFRESH_REUSED
    assert (await refusal_of(refresh(desk, second, "native", key))).finding is Finding.GRANT_REVOKED


@pytest.mark.spec("9449-5-a")
async def test_a_public_client_binds_its_family_when_it_first_proves_a_key(desk: Desk) -> None:
    key = key_of(desk)
    first = (await redeem(desk, await code_for(desk, "native"), "native"))["refresh_token"]
    second = await refresh(desk, first, "native", key)
    assert second["token_type"] == "DPoP"
    assert (await refusal_of(refresh(desk, second["refresh_token"], "native"))).error == "invalid_dpop_proof"
    other = key_of(desk, "other")
    assert (await refusal_of(refresh(desk, second["refresh_token"], "native", other))).error == "invalid_grant"
    assert await refresh(desk, second["refresh_token"], "native", key)


@pytest.mark.spec("F2-5.3.2.1-9", "9449-5-a")
async def test_a_confidential_client_with_a_key_keeps_its_refresh_token(desk: Desk) -> None:
    key = key_of(desk)
    first = (await redeem(desk, await code_for(desk), "web", key))["refresh_token"]
    for _ in range(3):
        desk.clock.turn(60)
        again = await refresh(desk, first, "web", key)
        assert again["refresh_token"] == first
        assert claims_of(again["access_token"])["cnf"] == {"jkt": key.jkt}
    assert desk.event_names().count("refresh.prolonged") == 3
    other = key_of(desk, "other")
    assert claims_of((await refresh(desk, first, "web", other))["access_token"])["cnf"] == {"jkt": other.jkt}
    assert (await refusal_of(refresh(desk, first, "web"))).error == "invalid_dpop_proof"


@pytest.mark.spec("9700-4.14.2-c")
async def test_a_token_that_stays_has_idle_and_absolute_limits(desk: Desk) -> None:
    key, day = key_of(desk), 86_400
    first = (await redeem(desk, await code_for(desk), "web", key))["refresh_token"]
    for _ in range(2):
        desk.clock.turn(13 * day)
        assert await refresh(desk, first, "web", key)
    desk.clock.turn(5 * day)
    refused = await refusal_of(refresh(desk, first, "web", key))
    assert (refused.finding, refused.facts["limit"]) == (Finding.REFRESH_EXPIRED, "absolute")
    second = (await redeem(desk, await code_for(desk), "web", key))["refresh_token"]
    desk.clock.turn(14 * day)
    refused = await refusal_of(refresh(desk, second, "web", key))
    assert (refused.finding, refused.facts["limit"]) == (Finding.REFRESH_EXPIRED, "idle")


async def test_a_confidential_client_without_a_key_still_rotates(desk: Desk) -> None:
    first = (await redeem(desk, await code_for(desk)))["refresh_token"]
    assert (await refresh(desk, first))["refresh_token"] != first


# --- the proof ----------------------------------------------------------------------------------------------


@pytest.mark.spec("9449-11.1-a")
async def test_a_proof_is_used_once(desk: Desk) -> None:
    proof = key_of(desk).proof("POST", TOKEN)
    await ask(desk, "web", proof, grant_type="client_credentials")
    for _ in range(8):
        refused = await refusal_of(ask(desk, "web", proof, grant_type="client_credentials"))
        assert isinstance(refused, InvalidDpopProof)
        desk.clock.turn(20)


@pytest.mark.spec("9449-4.3-a")
async def test_two_proofs_are_refused(desk: Desk) -> None:
    key = key_of(desk)
    proofs = (key.proof("POST", TOKEN), key.proof("POST", TOKEN))
    refused = await refusal_of(ask(desk, "web", *proofs, grant_type="client_credentials"))
    assert (refused.error, refused.finding) == ("invalid_dpop_proof", Finding.DPOP_PROOF_REPEATED)


@pytest.mark.spec("F2-5.3.2.1-13")
@pytest.mark.parametrize(("ahead", "passes"), [(8, True), (10, True), (60, False), (-60, True), (-61, False)])
async def test_a_clients_clock_may_be_a_little_ahead(desk: Desk, ahead: int, passes: bool) -> None:
    proof = key_of(desk).proof("POST", TOKEN, now=Instant(desk.clock.now() + ahead))
    asked = ask(desk, "web", proof, grant_type="client_credentials")
    if passes:
        assert (await asked).body["token_type"] == "DPoP"
    else:
        assert (await refusal_of(asked)).finding is Finding.DPOP_PROOF_TIME


async def test_a_client_that_is_not_proven_uses_up_no_proof(desk: Desk) -> None:
    proof = key_of(desk).proof("POST", TOKEN)
    headers, pairs = (), (("client_id", "web"), ("client_secret", "wrong"), ("grant_type", "client_credentials"))
    assert (await refusal_of(desk.core.token(pairs, headers, PEER, Presented((proof,))))).error == "invalid_client"
    assert (await ask(desk, "web", proof, grant_type="client_credentials")).body["token_type"] == "DPoP"


# --- nonces -------------------------------------------------------------------------------------------------


@pytest.mark.spec("9449-8-a")
async def test_a_nonce_is_asked_for_given_and_replaced() -> None:
    desk = await open_desk(replace(POLICY, dpop_nonces=True))
    key = key_of(desk)
    code = await code_for(desk)
    refused = await refusal_of(redeem(desk, code, "web", key))
    assert isinstance(refused, UseDpopNonce)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    answer = await ask(desk, "web", key.proof("POST", TOKEN, nonce=refused.nonce), **form)
    assert answer.body["token_type"] == "DPoP"
    assert "DPoP-Nonce" not in answer.headers
    desk.clock.turn(160)
    answer = await ask(desk, "web", key.proof("POST", TOKEN, nonce=refused.nonce), grant_type="client_credentials")
    newer = answer.headers["DPoP-Nonce"]
    assert newer != refused.nonce
    desk.clock.turn(290)
    for nonce in (refused.nonce, "made up", None):
        late = key.proof("POST", TOKEN, nonce=nonce)
        again = await refusal_of(ask(desk, "web", late, grant_type="client_credentials"))
        assert again.error == "use_dpop_nonce"
    assert await token(desk, "web", None, grant_type="client_credentials")


async def test_another_master_key_has_other_nonces() -> None:
    desk = await open_desk(replace(POLICY, dpop_nonces=True))
    now = desk.clock.now()
    own = server_nonces(MASTER_KEY)
    other = server_nonces(MasterKey(Secret("another master key that is long enough")))
    refused = await refusal_of(token(desk, "web", key_of(desk), grant_type="client_credentials"))
    assert isinstance(refused, UseDpopNonce)
    assert own.began(refused.nonce, now) is not None
    assert other.began(refused.nonce, now) is None


# --- UserInfo -----------------------------------------------------------------------------------------------


@pytest.mark.spec("9449-7.1-a", "9449-4.3-a")
async def test_userinfo_takes_a_bound_token_with_its_proof_alone(desk: Desk) -> None:
    key, other = key_of(desk), key_of(desk, "other")
    bound = (await redeem(desk, await code_for(desk), "web", key))["access_token"]
    plain = (await redeem(desk, await code_for(desk)))["access_token"]
    proof = key.proof("GET", USERINFO, token=bound)
    assert (await userinfo(desk, "DPoP", bound, proof))["sub"] == "u1"
    assert (await userinfo(desk, "Bearer", plain))["sub"] == "u1"
    fresh = key.proof("GET", USERINFO, token=bound)
    for scheme, sent, proofs, kind in (
        ("DPoP", bound, (proof,), InvalidDpopProof),
        ("DPoP", bound, (), InvalidDpopProof),
        ("DPoP", bound, (fresh, key.proof("GET", USERINFO, token=bound)), InvalidDpopProof),
        ("DPoP", bound, (key.proof("GET", USERINFO),), InvalidDpopProof),
        ("DPoP", bound, (key.proof("GET", USERINFO, token=plain),), InvalidDpopProof),
        ("DPoP", bound, (key.proof("POST", USERINFO, token=bound),), InvalidDpopProof),
        ("DPoP", bound, (key.proof("GET", TOKEN, token=bound),), InvalidDpopProof),
        ("DPoP", bound, (other.proof("GET", USERINFO, token=bound),), InvalidToken),
        ("DPoP", plain, (key.proof("GET", USERINFO, token=plain),), InvalidToken),
        ("Bearer", bound, (), InvalidToken),
        ("Bearer", bound, (fresh,), InvalidToken),
        ("Basic", bound, (fresh,), NoCredentials),
    ):
        assert type(await refusal_of(userinfo(desk, scheme, sent, *proofs))) is kind, (scheme, proofs)
    in_form: Pairs = (("access_token", bound),)
    assert isinstance(await refusal_of(userinfo(desk, "", "", fresh, pairs=in_form)), InvalidToken)


@pytest.mark.spec("9449-8-a")
async def test_userinfo_asks_for_a_nonce_too() -> None:
    desk = await open_desk(replace(POLICY, dpop_nonces=True))
    key = key_of(desk)
    refused = await refusal_of(token(desk, "web", key, grant_type="client_credentials"))
    assert isinstance(refused, UseDpopNonce)
    form = {"grant_type": "authorization_code", "code": await code_for(desk), "code_verifier": VERIFIER}
    answer = await ask(desk, "web", key.proof("POST", TOKEN, nonce=refused.nonce), **form)
    bound = answer.body["access_token"]
    asked = await refusal_of(userinfo(desk, "DPoP", bound, key.proof("GET", USERINFO, token=bound)))
    assert isinstance(asked, UseDpopNonce)
    proof = key.proof("GET", USERINFO, token=bound, nonce=asked.nonce)
    assert (await userinfo(desk, "DPoP", bound, proof))["sub"] == "u1"


@pytest.mark.spec("7009-2-a")
async def test_a_bound_token_is_revoked_without_a_proof(desk: Desk) -> None:
    key = key_of(desk)
    bound = (await redeem(desk, await code_for(desk), "web", key))["access_token"]
    await desk.revoke(bound)
    refused = await refusal_of(userinfo(desk, "DPoP", bound, key.proof("GET", USERINFO, token=bound)))
    assert refused.finding is Finding.GRANT_REVOKED


async def test_the_metadata_says_what_proofs_may_be_signed_with(desk: Desk) -> None:
    algorithms = desk.core.metadata()["dpop_signing_alg_values_supported"]
    assert {"ES256", "EdDSA", "PS256"} <= {*algorithms}
    assert not {"none", "HS256"} & {*algorithms}


async def test_a_bound_code_of_nobody_else(desk: Desk) -> None:
    code = await code_for(desk, dpop_jkt=key_of(desk).jkt)
    with pytest.raises(InvalidGrant):
        await redeem(desk, code, "first", key_of(desk))
