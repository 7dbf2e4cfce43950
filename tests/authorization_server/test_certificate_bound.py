"""Grants that are bound to a client certificate (RFC 8705 §3, §4), at the role."""

from dataclasses import replace
from typing import Any

import pytest

from proofkey.authorization_server.answers import Json
from proofkey.authorization_server.sender import NOTHING, Presented
from proofkey.errors import InvalidGrant, InvalidToken, OAuthError
from proofkey.findings import Finding
from proofkey.protocol.certificate import read_client_certificate
from proofkey.testing.client_certificate import ClientCertificate, make_client_certificate
from tests.authorization_server.driver import (
    LOOPBACK,
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
)

OWN, OTHER = make_client_certificate("own"), make_client_certificate("other")
BOUND = {"tls_client_certificate_bound_access_tokens": True}
CLIENTS = (client("bound", **BOUND), client("bound-native", **PUBLIC, **BOUND))


@pytest.fixture
async def desk() -> Desk:
    policy = replace(POLICY, clients=(*POLICY.clients, *CLIENTS), client_certificates="verified")
    return await open_desk(policy)


def shown(certificate: ClientCertificate | None) -> Presented:
    return NOTHING if certificate is None else Presented((), read_client_certificate(certificate.der))


async def token(desk: Desk, client_id: str, certificate: ClientCertificate | None, **form: str) -> dict[str, Any]:
    public = "native" in client_id
    headers, pairs = ((), (("client_id", client_id),)) if public else credentials(client_id, SECRET)
    answer = await desk.core.token((*pairs, *form.items()), headers, PEER, shown(certificate))
    assert isinstance(answer, Json)
    return dict(answer.body)


async def sign_in(desk: Desk, client_id: str) -> dict[str, Any]:
    changes = {"redirect_uri": LOOPBACK} if "native" in client_id else {}
    code = (await Visitor(desk.core).walk(client_id, **changes))["code"]
    return await token(desk, client_id, OWN, grant_type="authorization_code", code=code, code_verifier=VERIFIER)


async def refresh(
    desk: Desk, client_id: str, token_: str, certificate: ClientCertificate | None
) -> dict[str, Any]:
    return await token(desk, client_id, certificate, grant_type="refresh_token", refresh_token=token_)


@pytest.mark.spec("8705-3-a")
async def test_userinfo_takes_a_bound_token_with_its_certificate_alone(desk: Desk) -> None:
    bound = (await sign_in(desk, "bound"))["access_token"]
    assert claims_of(bound)["cnf"] == OWN.cnf
    header = (f"Bearer {bound}",)
    answer = await desk.core.userinfo(header, (), shown(OWN))
    assert isinstance(answer, Json)
    assert answer.body["sub"] == "u1"
    for certificate in (OTHER, None):
        with pytest.raises(InvalidToken):
            await desk.core.userinfo(header, (), shown(certificate))


@pytest.mark.spec("8705-3-a")
async def test_a_public_clients_refresh_token_needs_its_certificate(desk: Desk) -> None:
    first = (await sign_in(desk, "bound-native"))["refresh_token"]
    with pytest.raises(InvalidGrant) as refused:
        await refresh(desk, "bound-native", first, OTHER)
    assert refused.value.finding is Finding.CLIENT_CERTIFICATE_OTHER
    with pytest.raises(OAuthError):
        await refresh(desk, "bound-native", first, None)
    again = await refresh(desk, "bound-native", first, OWN)
    assert again["refresh_token"] != first
    assert claims_of(again["access_token"])["cnf"] == OWN.cnf


@pytest.mark.spec("F2-5.3.2.1-9", "8705-3-a")
async def test_a_confidential_client_keeps_its_refresh_token_and_may_renew_its_certificate(desk: Desk) -> None:
    first = (await sign_in(desk, "bound"))["refresh_token"]
    for certificate in (OWN, OTHER):
        again = await refresh(desk, "bound", first, certificate)
        assert again["refresh_token"] == first
        assert claims_of(again["access_token"])["cnf"] == certificate.cnf
    with pytest.raises(OAuthError):
        await refresh(desk, "bound", first, None)


@pytest.mark.spec("8705-3-a")
async def test_a_bound_grant_stays_bound_when_its_client_no_longer_is(desk: Desk) -> None:
    first = (await sign_in(desk, "bound"))["refresh_token"]
    await desk.store.put_client(client("bound"), desk.clock.now())
    with pytest.raises(InvalidGrant) as refused:
        await refresh(desk, "bound", first, None)
    assert refused.value.finding is Finding.CLIENT_CERTIFICATE_OTHER
