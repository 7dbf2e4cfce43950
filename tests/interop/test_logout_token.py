"""Logout tokens of our server, read by jose (npm) with the server's published keys."""

from collections.abc import Generator
from dataclasses import replace

import pytest

from proofkey.protocol.token_kind import LOGOUT_EVENT
from tests.authorization_server.driver import ISSUER, POLICY, Visitor, claims_of, open_desk
from tests.authorization_server.test_backchannel_logout import Receivers, log_out, told
from tests.interop.peer import Peer, PeerRefused, running_peer

pytestmark = pytest.mark.interop

ALGORITHMS = ["ES256", "RS256", "PS256", "Ed25519", "EdDSA"]


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Generator[Peer]:
    with running_peer("relying_party.mjs", tmp_path_factory.mktemp("peer") / "peer.log") as running:
        yield running


@pytest.mark.spec("BL-2.4-a", "BL-2.6-a")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_jose_takes_a_logout_token_and_nobody_elses(peer: Peer, algorithm: str) -> None:
    receivers = Receivers()
    one = told("web", id_token_signed_response_alg=algorithm)
    desk = await open_desk(replace(POLICY, clients=(one,)), foreign=receivers)
    visitor = Visitor(desk.core)
    id_token = (await visitor.tokens(desk))["id_token"]
    await log_out(visitor, id_token)
    (token,) = receivers.tokens
    asked = {
        "command": "logout_token",
        "token": token,
        "jwks": dict(desk.core.jwks()),
        "issuer": ISSUER,
        "audience": "web",
        "now": desk.clock.now(),
        "algorithm": algorithm,
    }
    read = peer.ask(asked)
    assert read["header"]["alg"] == algorithm
    assert read["payload"]["events"] == {LOGOUT_EVENT: {}}
    assert (read["payload"]["sid"], read["payload"]["sub"]) == (claims_of(id_token)["sid"], "u1")
    for spoilt in ({"audience": "other"}, {"now": desk.clock.now() + 121}, {"token": id_token}):
        with pytest.raises(PeerRefused):
            peer.ask(asked | spoilt)
