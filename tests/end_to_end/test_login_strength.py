"""Our client at our own server: assertions in place of secrets, pushed requests, UserInfo, the kind of sign-in."""

from collections.abc import Generator
from typing import Any

import pytest

from proofkey.client.config import LoginConfig
from proofkey.client.session import Session
from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.protocol.text import ClientId, Issuer, Secret
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.server import free_port, running_server, write_server_config
from proofkey.testing.sign_in import SignedIn, headless, sign_in
from proofkey.testing.tokens import key_for_tests
from proofkey.transport.http import HttpTransport

CALLBACK = "https://rp.test/cb"
PASSWORD = "brave otter, quiet river"
KEY, RSA_KEY, OTHER_KEY = (
    key_for_tests("ES256", "client-key"),
    key_for_tests("RS256", "rsa-key"),
    key_for_tests("ES256", "other-key"),
)
REACHED = "urn:op:password"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def registration(client_id: str, **members: Any) -> dict[str, Any]:
    keys = {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.public_jwk, RSA_KEY.public_jwk]},
    }
    return {
        "client_id": client_id,
        "redirect_uris": [CALLBACK],
        "scope": "openid profile email offline_access",
        "skip_consent": True,
        **keys,
        **members,
    }


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    port = free_port()
    server = {
        "issuer": f"http://127.0.0.1:{port}",
        "features": ["par"],
        "acr_values": {REACHED: ["pwd"]},
        "clients": [
            registration("signed"),
            registration("pushing", require_pushed_authorization_requests=True),
            registration("told", userinfo_signed_response_alg="ES256"),
        ],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1", "claims": {"email": "ann@op.test"}}],
    }
    config = write_server_config(tmp_path_factory.mktemp("server"), server)
    with running_server(config, port=port, workers=1) as running:
        yield running.public_url


class Recorded:
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self._inner = HttpTransport()

    async def send(self, ask: Ask) -> Answer:
        self.asked.append(ask)
        return await self._inner.send(ask)


async def signed_in(issuer: str, transport: Recorded, **changes: Any) -> SignedIn:
    values: dict[str, Any] = {
        "issuer": Issuer(issuer),
        "client_id": ClientId("signed"),
        "client_key": KEY,
        "redirect_uri": CALLBACK,
        "scope": ("openid", "profile", "email"),
    }
    with HeadlessBrowser() as browser:
        walk = headless(browser, redirect_uri=CALLBACK, username="ann", password=Secret(PASSWORD))
        return await sign_in(LoginConfig(**{**values, **changes}), walk, transport=transport)


@pytest.mark.spec("9700-2.5-a / V10-10.4.16", "OC-5.3.2-a", "OC-3.1.3.7-b")
@pytest.mark.parametrize(
    ("changes", "pushed"),
    [
        ({}, True),
        ({"client_key": RSA_KEY}, True),
        ({"par": "off"}, False),
        ({"client_id": ClientId("pushing")}, True),
        ({"client_id": ClientId("told"), "userinfo": "signed"}, True),
        ({"acr_values": (REACHED,)}, True),
    ],
    ids=["ES256", "RS256", "not pushed", "must be pushed", "signed UserInfo", "acr"],
)
async def test_a_client_with_a_key_signs_in(issuer: str, changes: dict[str, Any], pushed: bool) -> None:
    transport = Recorded()
    done = await signed_in(issuer, transport, **changes)
    session: Session = done.session
    assert (session.sub, session.claims["email"]) == ("u1", "ann@op.test")
    assert ("request_uri=" in done.url) is pushed
    forms = [dict(ask.form) for ask in transport.asked if ask.form is not None]
    assert len(forms) == 1 + pushed
    assert len({form["client_assertion"] for form in forms}) == len(forms), "each assertion is used once"
    assert not any("client_secret" in form for form in forms)


@pytest.mark.spec("9700-2.5-a / V10-10.4.16")
@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"client_key": OTHER_KEY}, Finding.LOGIN_REFUSED),
        ({"client_key": OTHER_KEY, "par": "off"}, Finding.LOGIN_REFUSED),
        ({"userinfo": "signed"}, Finding.USERINFO_MALFORMED),
    ],
    ids=["another key, at the push", "another key, at the token endpoint", "UserInfo that is not signed"],
)
async def test_nobody_is_signed_in_with(issuer: str, changes: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(LoginFailed) as refused:
        await signed_in(issuer, Recorded(), **changes)
    assert refused.value.finding is finding
