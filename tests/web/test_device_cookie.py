"""The cookie of a known device, as browsers get and bring it."""

import pytest
from starlette.requests import Request

from proofkey.authorization_server.answers import Cookies, Redirect
from proofkey.authorization_server.known_device import MOST_ACCOUNTS, KnownDevices
from proofkey.protocol.text import Secret
from proofkey.testing.stores import a_user
from proofkey.web.cookies import MAX_VALUE
from proofkey.web.peer import TrustedProxies
from proofkey.web.respond import Responder

VALUE = Secret(f"{'n' * 21}{'m' * 22}")


@pytest.mark.parametrize(
    ("issuer", "name", "end"),
    [
        ("https://op.test", "__Host-proofkey-device", "; Secure"),
        ("http://127.0.0.1:9000", "proofkey-device-9000", ""),
    ],
)
def test_it_is_kept_for_long_and_out_of_the_reach_of_scripts_and_other_sites(
    issuer: str, name: str, end: str
) -> None:
    responder = Responder(issuer, TrustedProxies())
    response = responder.respond(Redirect(url="https://rp.test/cb", cookies=Cookies(device=VALUE)))
    line = f"{name}={VALUE.reveal()}; Max-Age=34560000; Path=/; HttpOnly; SameSite=Lax{end}"
    assert response.headers.getlist("set-cookie") == [line]
    brought = responder.browser(_request((b"cookie", f"{name}={VALUE.reveal()}".encode())))
    assert brought.device == VALUE
    twice = responder.browser(_request((b"cookie", f"{name}={VALUE.reveal()}; {name}=x".encode())))
    assert twice.device is None


def test_its_longest_value_fits() -> None:
    cookie: Secret | None = None
    for number in range(MOST_ACCOUNTS + 2):
        cookie = KnownDevices(b"key").remember(cookie, a_user(f"user{number}"), "f" * 43)
    assert cookie is not None
    assert len(cookie.reveal()) <= MAX_VALUE


def _request(*headers: tuple[bytes, bytes]) -> Request:
    return Request({"type": "http", "headers": list(headers), "client": ("192.0.2.1", 5000)})
