"""A provider that is reached by another address inside the network than the one in its issuer identifier."""

import json
from typing import Any

import pytest

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer, Ask
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier
from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import AUDIENCE, LocalIssuer
from proofkey.testing.transport import AsgiTransport
from proofkey.transport.http import HttpTransport
from tests.transport.loopback_server import http, serving

ISSUER = "https://id.example.com/tenants/shop"
INSIDE = "http://keycloak:8080"


class Bench:
    """The issuer answers at `inside` alone."""

    def __init__(self, inside: str = INSIDE, **options: Any) -> None:
        self.clock = TurnedClock()
        self.issuer = LocalIssuer(ISSUER, clock=self.clock)
        self.transport = AsgiTransport({inside: self.issuer})
        trusted = TrustedIssuer(issuer=ISSUER, internal_base_url=inside, **options)
        self.verifier = Verifier(issuers=[trusted], audience=AUDIENCE, transport=self.transport, clock=self.clock)

    @property
    def asked(self) -> list[str]:
        return [ask.url for ask in self.transport.asked]


@pytest.mark.spec("providers §2 row 6")
async def test_discovery_and_keys_come_from_the_internal_address() -> None:
    bench = Bench(allow_insecure_internal_http=True)
    token = await bench.verifier.verify(bench.issuer.token_for())
    assert token.iss == ISSUER
    assert bench.asked == [
        "http://keycloak:8080/tenants/shop/.well-known/openid-configuration",
        "http://keycloak:8080/tenants/shop/jwks",
    ]


async def test_what_browsers_are_told_stays_the_public_address() -> None:
    bench = Bench(allow_insecure_internal_http=True)
    await bench.verifier.start()
    metadata = bench.verifier.source.metadata
    await bench.verifier.aclose()
    assert metadata is not None
    assert metadata.authorization_endpoint == f"{ISSUER}/authorize"


@pytest.mark.parametrize("path", ["/tenants/shop/jwks", "/jwks?realm=shop"])
async def test_a_provider_that_publishes_internal_addresses_is_understood(path: str) -> None:
    bench = Bench(allow_insecure_internal_http=True)
    keys = bench.issuer.jwks

    class Backchannel:
        """Keycloak with `hostname-backchannel-dynamic`: public issuer, internal endpoints."""

        async def send(self, ask: Ask) -> Answer:
            bench.transport.asked.append(ask)
            document: dict[str, Any] = bench.issuer.metadata | {"jwks_uri": INSIDE + path}
            body: Any = document if ask.url.endswith("openid-configuration") else keys
            return Answer(200, {}, json_bytes(body))

    verifier = Verifier(
        issuer=ISSUER,
        audience=AUDIENCE,
        internal_base_url=INSIDE,
        allow_insecure_internal_http=True,
        transport=Backchannel(),
        clock=bench.clock,
    )
    await verifier.verify(bench.issuer.token_for())
    assert bench.asked[-1] == INSIDE + path
    assert bench.transport.asked[-1].allow_insecure_http
    assert verifier.source.metadata is not None
    assert verifier.source.metadata.jwks_uri == "https://id.example.com" + path


def json_bytes(document: object) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.spec("providers §2 row 6", "8725b-3.8-a")
async def test_the_issuer_check_stays_strict() -> None:
    bench = Bench(allow_insecure_internal_http=True)
    inside = LocalIssuer(f"{INSIDE}/tenants/shop", clock=bench.clock)
    bench.transport._apps[INSIDE] = inside  # a provider that makes its issuer from the Host header
    with pytest.raises(Unavailable) as caught:
        await bench.verifier.verify(bench.issuer.token_for())
    assert caught.value.finding is Finding.KEYS_UNAVAILABLE
    assert not any(url.endswith("/jwks") for url in bench.asked)


class Elsewhere(LocalIssuer):
    """Its keys are on another host."""

    @property
    def metadata(self) -> dict[str, Any]:
        return super().metadata | {"jwks_uri": "https://keys.example.net/jwks"}


async def test_other_hosts_are_reached_as_they_are_named() -> None:
    bench = Bench(allow_insecure_internal_http=True)
    keys = LocalIssuer("https://keys.example.net", clock=bench.clock)
    bench.transport._apps["https://keys.example.net"] = keys
    bench.issuer = Elsewhere(ISSUER, clock=bench.clock)
    bench.issuer.keys = keys.keys
    bench.transport._apps[INSIDE] = bench.issuer
    await bench.verifier.verify(bench.issuer.token_for())
    assert bench.asked[-1] == "https://keys.example.net/jwks"
    assert not bench.transport.asked[-1].allow_insecure_http


@pytest.mark.spec("X-failclosed")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://keycloak:8080", "allow_insecure_internal_http"),
        ("https://keycloak/tenants/shop", "host:port"),
        ("https://keycloak?x=1", "host:port"),
        ("keycloak:8080", "host:port"),
        ("ftp://keycloak", "host:port"),
        ("https://user:secret@keycloak", "host:port"),
        ("", "host:port"),
    ],
)
def test_an_internal_address_is_an_origin_and_https_unless_it_is_said_loudly(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        Verifier(issuer=ISSUER, audience=AUDIENCE, internal_base_url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://keycloak", "https://keycloak:8443/", "http://127.0.0.1:8080"])
def test_https_and_loopback_need_no_permission(url: str) -> None:
    Verifier(issuer=ISSUER, audience=AUDIENCE, internal_base_url=url)


async def test_the_permission_is_for_that_address_alone() -> None:
    with pytest.raises(Unavailable) as caught:
        await HttpTransport().send(Ask("GET", "http://keycloak.invalid/jwks"))
    assert caught.value.finding is Finding.OUTGOING_INSECURE
    with pytest.raises(Unavailable) as caught:
        await HttpTransport().send(Ask("GET", "http://keycloak.invalid/jwks", allow_insecure_http=True))
    assert caught.value.finding is Finding.OUTGOING_FAILED
    with pytest.raises(Unavailable) as caught:
        await HttpTransport().send(Ask("GET", "file:///etc/passwd", allow_insecure_http=True))
    assert caught.value.finding is Finding.OUTGOING_INSECURE


async def test_the_host_header_is_that_of_the_internal_address() -> None:
    clock = TurnedClock()
    issuer = LocalIssuer(ISSUER, clock=clock)
    heads: list[bytes] = []

    async def answer(request: bytes, writer: Any) -> None:
        heads.append(request)
        document: Any = issuer.jwks if b"/jwks " in request else issuer.metadata
        writer.write(http(json_bytes(document)))
        await writer.drain()

    async with serving(answer) as port:
        base = f"http://127.0.0.1:{port}"
        verifier = Verifier(issuer=ISSUER, audience=AUDIENCE, internal_base_url=base, clock=clock)
        await verifier.verify(issuer.token_for())
    assert len(heads) == 2
    assert all(f"host: 127.0.0.1:{port}".encode() in head.lower() for head in heads)
