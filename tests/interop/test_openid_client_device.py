"""openid-client (npm) as a device at our server: it asks for codes, polls, and obeys `slow_down` (RFC 8628)."""

import time
from collections.abc import Generator
from typing import Any

import httpx2
import pytest

from proofkey.protocol.token_messages import DEVICE_CODE
from proofkey.testing.headless import read_page
from proofkey.testing.server import ServerProcess, free_port, running_server, write_server_config
from tests.interop.peer import Peer, PeerRefused, running_peer

pytestmark = pytest.mark.interop

API = "https://api.test"
SECRET = "Jq4v1Zt7Lr0Xc8Mw5Hd2Np9Sk6Fb3GyTaEuIoRiVhWn"
PASSWORD = "brave otter, quiet river"
SCOPE = "openid profile offline_access orders:read"
OWN = {"sec-fetch-site": "same-origin"}
PARTIES: dict[str, dict[str, Any]] = {
    "tv": {"method": "none"},
    "box": {"method": "client_secret_basic", "secret": SECRET},
    "bound": {"method": "none", "dpop": "ES256"},
}
"""How openid-client plays each."""


def registration(client_id: str, **members: Any) -> dict[str, Any]:
    grants = [DEVICE_CODE, "refresh_token"]
    return {"client_id": client_id, "grant_types": grants, "response_types": [], "scope": SCOPE, **members}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    port = free_port()
    settings = {
        "issuer": f"http://127.0.0.1:{port}",
        "features": ["device"],
        "resources": [{"identifier": API, "scopes": ["orders:read"]}],
        "clients": [
            registration("tv"),
            registration("box", client_secret=SECRET),
            registration("bound", dpop_bound_access_tokens=True),
        ],
        "users": [{"username": "ann", "password": PASSWORD, "sub": "u1"}],
    }
    config = write_server_config(tmp_path_factory.mktemp("server"), settings)
    with running_server(config, port=port, workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Generator[Peer]:
    with running_peer("relying_party.mjs", tmp_path_factory.mktemp("peer") / "relying_party.log") as running:
        yield running


class Device:
    """One client at our server, played by openid-client."""

    def __init__(self, peer: Peer, server: ServerProcess, name: str) -> None:
        self.peer, self.server, self.name = peer, server, name
        how = PARTIES[name]
        self.metadata = self.ask("discover", issuer=server.public_url, client_id=name, **how)

    def ask(self, command: str, **arguments: Any) -> Any:
        return self.peer.ask({"command": command, "party": self.name, **arguments})

    def begin(self) -> dict[str, Any]:
        asked: dict[str, Any] = self.ask("ask_device", parameters={"scope": SCOPE, "resource": API})
        return asked

    def heard(self, finding: str, since: int = 0) -> None:
        """Waits until the server has told it so."""
        end = time.monotonic() + 30
        while finding not in self.server.log.read_text()[since:]:
            assert time.monotonic() < end, self.server.log.read_text()[-2000:]
            time.sleep(0.05)


def answer(asked: dict[str, Any], decision: str = "allow") -> None:
    """Ann opens the address that the device shows as a picture, signs in and decides."""
    with httpx2.Client(timeout=10, follow_redirects=True, trust_env=False, headers=OWN) as browser:
        page = browser.get(asked["verification_uri_complete"])
        assert asked["user_code"] in page.text
        page = browser.post(asked["verification_uri"], data={"user_code": asked["user_code"]})
        page = browser.post(str(page.url), data={"username": "ann", "password": PASSWORD})
        assert read_page(page.text)[0] == "device"
        page = browser.post(str(page.url), data={"decision": decision})
        assert page.status_code == 200


@pytest.mark.spec("8628-3.1..3.5")
@pytest.mark.parametrize("name", PARTIES)
def test_a_device_is_connected(peer: Peer, server: ServerProcess, name: str) -> None:
    device = Device(peer, server, name)
    assert device.metadata["device_authorization_endpoint"] == f"{server.public_url}/device-authorization"
    asked = device.begin()
    answer(asked)
    device.ask("begin_polling", asked=asked, interval=1)
    tokens = device.ask("finish_polling")
    assert tokens["claims"]["sub"] == "u1"
    assert tokens["token_type"] == ("dpop" if name == "bound" else "bearer")
    assert device.ask("userinfo", token=tokens["access_token"], sub="u1")["sub"] == "u1"
    assert device.ask("refresh", token=tokens["refresh_token"], parameters={})["access_token"]


@pytest.mark.spec("8628-3.1..3.5")
def test_a_device_waits_slows_down_and_is_connected(peer: Peer, server: ServerProcess) -> None:
    """A device that asks every second, five times as often as it was told."""
    device = Device(peer, server, "tv")
    asked, before = device.begin(), len(server.log.read_text())
    assert asked["interval"] == 5
    device.ask("begin_polling", asked=asked, interval=1)
    for finding in ("DEV-05", "DEV-06"):
        device.heard(finding, before)
    answer(asked)
    assert device.ask("finish_polling")["claims"]["sub"] == "u1"


@pytest.mark.spec("8628-3.1..3.5")
def test_a_device_that_is_denied_is_told(peer: Peer, server: ServerProcess) -> None:
    device = Device(peer, server, "box")
    asked = device.begin()
    answer(asked, "deny")
    device.ask("begin_polling", asked=asked, interval=1)
    with pytest.raises(PeerRefused) as refused:
        device.ask("finish_polling")
    assert (refused.value.told["error"], refused.value.told["status"]) == ("access_denied", 400)
