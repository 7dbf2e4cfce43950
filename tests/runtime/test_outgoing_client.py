"""Credentials of our own clients, as they are configured."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.client_assertion import OutgoingClient
from proofkey.protocol.exchange import Ask
from proofkey.protocol.jose import SigningKey, signing_key_from_text
from proofkey.protocol.text import ClientId, Secret
from proofkey.runtime.outgoing_client import prepared, read_outgoing_client
from proofkey.testing.tokens import key_for_tests
from tests.client.login_kit import World, config_for

SECRET = "q7Zr0bX1mGd2Vt8Ky3Lw5Hs9Nc4Jf6PaEuRiTyWo0"
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def pem_of(key: PrivateKey, form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


P256 = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
OLD = serialization.PrivateFormat.TraditionalOpenSSL


@pytest.mark.spec("9700-2.5-a / V10-10.4.16")
@pytest.mark.parametrize(
    ("pem", "algorithm"),
    [
        pytest.param(pem_of(P256), "ES256", id="P-256, PKCS #8"),
        pytest.param(pem_of(P256, OLD), "ES256", id="P-256, SEC 1"),
        pytest.param(pem_of(RSA), "RS256", id="RSA, PKCS #8"),
        pytest.param(pem_of(RSA, OLD), "RS256", id="RSA, PKCS #1"),
        pytest.param(pem_of(ed25519.Ed25519PrivateKey.generate()), "Ed25519", id="Ed25519"),
    ],
)
def test_a_pem_file_is_a_key_whose_kid_is_its_thumbprint(tmp_path: Path, pem: bytes, algorithm: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem)
    key = read_outgoing_client(client_id="api", private_key_file=file).key
    assert isinstance(key, SigningKey)
    assert (key.algorithm, len(key.kid)) == (algorithm, 43)
    assert key.kid == signing_key_from_text(pem).kid


def test_a_jwk_file_keeps_its_own_kid_and_algorithm(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key_for_tests("PS256", "mine").private_jwk))
    key = read_outgoing_client(client_id="api", private_key_file=str(file)).key
    assert isinstance(key, SigningKey)
    assert (key.algorithm, key.kid) == ("PS256", "mine")


def test_algorithm_and_kid_can_be_said_for_a_pem() -> None:
    key = signing_key_from_text(pem_of(RSA), algorithm="PS256", kid="mine")
    assert (key.algorithm, key.kid) == ("PS256", "mine")


PUBLIC = P256.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
LOCKED = P256.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass")
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PUBLIC, id="public"),
        pytest.param(LOCKED, id="encrypted"),
        pytest.param(pem_of(ec.generate_private_key(ec.SECP384R1())), id="another curve"),
        pytest.param(json.dumps(key_for_tests("ES256").public_jwk).encode(), id="public JWK"),
        pytest.param(b'{"kty":"oct","k":"c2VjcmV0"}', id="symmetric"),
        pytest.param(b"{}", id="empty JWK"),
        pytest.param(b"", id="empty"),
        pytest.param(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", id="damaged"),
        pytest.param(b"\xff\xfe\x00", id="bytes"),
    ],
)
def test_whatever_else_a_key_file_holds_ends_the_start(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(text)
    with pytest.raises(ConfigurationError) as refused:
        read_outgoing_client(client_id="api", private_key_file=file)
    assert refused.value.facts["key"] == "private_key_file"
    assert refused.value.facts["value"] == str(file)


def test_a_secret_comes_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    assert read_outgoing_client(client_id="api", client_secret_file=file).secret == Secret(SECRET)


@pytest.mark.parametrize(
    ("options", "finding"),
    [
        ({"client_secret": "short"}, Finding.SECRET_WEAK),
        ({"client_secret": SECRET, "client_secret_file": "x"}, Finding.CONFIG_VALUE),
        ({"client_secret_file": "/does/not/exist"}, Finding.CONFIG_VALUE),
        ({"private_key_file": "/does/not/exist"}, Finding.SECRET_FILE_UNREADABLE),
        ({"auth_method": "private_key_jwt", "client_secret": SECRET}, Finding.CONFIG_MISSING),
    ],
    ids=["weak", "twice", "no secret file", "no key file", "a method without its key"],
)
def test_credentials_that_cannot_work_end_the_start(options: dict[str, Any], finding: Finding) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_outgoing_client(client_id="api", **options)
    assert refused.value.finding is finding
    assert SECRET not in str(refused.value)


async def test_only_an_rsa_signature_leaves_the_loops_thread() -> None:
    ran_in: list[int] = []

    def build() -> Ask:
        ran_in.append(threading.get_ident())
        return Ask("POST", "https://op.test/token")

    for key in (key_for_tests("ES256"), key_for_tests("RS256")):
        await prepared(OutgoingClient(client_id=ClientId("api"), key=key), build)
    here = threading.get_ident()
    assert ran_in[0] == here
    assert ran_in[1] != here


@pytest.mark.spec("7523b-cli", "7523-3-a / OC-9-a")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_login_proves_itself_by_assertions_for_code_and_refresh(algorithm: Any) -> None:
    key = key_for_tests(algorithm, "web-key")
    world = World(config=config_for(client_secret=None, client_key=key))
    world.provider.desk.keys["web"] = key.verification_key
    finished = await world.sign_in()
    world.clock.turn(880)
    tokens = await world.core.access_token(finished.session.id)
    assert tokens.access_token != finished.session.tokens.access_token
    assert world.provider.desk.methods == ["private_key_jwt", "private_key_jwt"]
    first, second = world.provider.desk.assertions
    assert first["aud"] == second["aud"] == "https://op.test"
    assert first["jti"] != second["jti"]
    assert second["exp"] - second["iat"] == 60
