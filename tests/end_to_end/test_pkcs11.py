"""`proofkey serve`, two workers, keys in a PKCS#11 token (SoftHSM): a whole login, and a lost token."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from proofkey.protocol.id_token import verify_id_token
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.text import Secret
from proofkey.runtime.clock import system_clock
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.relying_party import Person, RelyingParty
from proofkey.testing.server import ServerFailed, ServerProcess, free_port, running_server, write_server_config
from proofkey.testing.softhsm import SoftHsm, make_token
from proofkey.verifier import Verifier

pytestmark = [pytest.mark.timeout(180)]
SECRET = Secret("the secret of the client, 32 characters")
PASSWORD = Secret("correct horse battery")
CALLBACK = "https://rp.test/cb"
API = "https://api.test"
KEYS = ({"label": "es", "algorithm": "ES256"}, {"label": "ps", "algorithm": "PS256", "kid": "ps-1"})


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    made = make_token(tmp_path_factory.mktemp("hsm"))
    made.add("es", "ES256")
    made.add("ps", "PS256")
    return made


def config(folder: Path, port: int, token: SoftHsm) -> Path:
    client = {
        "client_id": "web",
        "client_secret": SECRET.reveal(),
        "redirect_uris": [CALLBACK],
        "scope": "openid email offline_access orders:read",
        "id_token_signed_response_alg": "PS256",
    }
    server = {
        "issuer": f"http://127.0.0.1:{port}",
        "workers": 2,
        "resources": [{"identifier": API, "scopes": ["orders:read"]}],
        "clients": [client],
        "users": [{"username": "ann", "password": PASSWORD.reveal(), "sub": "u1"}],
        "signer": token.settings(*KEYS),
    }
    return write_server_config(folder, server)


@pytest.fixture(scope="module")
def server(token: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerProcess]:
    port = free_port()
    file = config(tmp_path_factory.mktemp("op"), port, token)
    with running_server(file, port=port, environ=token.environ) as running:
        yield running


@pytest.fixture
def party(server: ServerProcess) -> Generator[RelyingParty]:
    made = RelyingParty(
        server.public_url,
        "web",
        secret=SECRET,
        redirect_uri=CALLBACK,
        scope="openid email offline_access orders:read",
        resource=API,
    )
    with made:
        yield made


@pytest.mark.spec("issue 4 keys")
async def test_a_login_whose_tokens_the_token_signed(server: ServerProcess, party: RelyingParty) -> None:
    with HeadlessBrowser() as browser:
        code, started = party.code(Person(browser, "ann", PASSWORD))
    tokens = party.tokens(party.redeem(code, started))
    published = party.http.get(party.metadata.jwks_uri)
    assert {(key["alg"], key["kid"] == "ps-1") for key in published.json()["keys"]} == {
        ("ES256", False), ("PS256", True),
    }  # fmt: skip
    assert tokens.id_token is not None
    claims = verify_id_token(
        tokens.id_token.reveal(),
        KeySet.from_document(published.content),
        issuer=party.issuer,
        client_id="web",
        nonce=started.nonce,
        max_age=None,
        now=system_clock().now(),
        algorithms=frozenset({"PS256"}),
        access_token=tokens.access_token,
    )
    assert claims.sub == "u1"
    verifier = Verifier(issuer=party.issuer, audience=API)
    for _ in range(4):  # both workers
        tokens = party.tokens(party.refresh(tokens.refresh_token))
        verified = await verifier.verify(tokens.access_token.reveal())
        assert verified.sub == "u1"
    with closing(sqlite3.connect(server.log.with_name("server.db"))) as database:
        assert database.execute("SELECT count(*) FROM signing_keys").fetchone() == (0,)


@pytest.mark.spec("issue 4 keys", "threats §2.17")
async def test_while_the_token_is_away_it_is_503_and_then_goes_on(
    server: ServerProcess, party: RelyingParty, token: SoftHsm
) -> None:
    with HeadlessBrowser() as browser:
        tokens = party.sign_in(Person(browser, "ann", PASSWORD))
    token.lose()
    try:
        statuses = set()
        for _ in range(6):
            answer = party.refresh(tokens.refresh_token)
            statuses.add(answer.status_code)
            assert answer.headers.get("Retry-After")
            assert answer.json()["error"] == "temporarily_unavailable"
        assert statuses == {503}
        assert party.http.get(party.metadata.jwks_uri).status_code == 200
    finally:
        token.restore()
    with anyio.fail_after(60):
        answer = party.refresh(tokens.refresh_token)
        while answer.status_code == 503:
            await anyio.sleep(0.2)
            answer = party.refresh(tokens.refresh_token)
    assert answer.status_code == 200
    log = server.log.read_text()
    assert "pkcs11.lost" in log
    assert token.pin not in log
    assert "Traceback" not in log


def test_a_server_whose_token_does_not_open_does_not_start(token: SoftHsm, tmp_path: Path) -> None:
    wrong = tmp_path / "pin"
    wrong.write_text("0000")
    port = free_port()
    file = config(tmp_path, port, token)
    file.write_text(file.read_text().replace(str(token.pin_file), str(wrong)))
    with pytest.raises(ServerFailed) as refused, running_server(file, port=port, environ=token.environ):
        pass
    assert "server.signer.pin" in str(refused.value)
    assert "0000" not in str(refused.value).partition("'finding'")[2]
