"""The server behind a real nginx that ends TLS, below a path, with the configuration of examples/nginx.conf."""

import ssl
import subprocess
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import which
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proofkey.protocol.text import Secret
from proofkey.testing.client_certificate import make_client_certificate
from proofkey.testing.headless import HeadlessBrowser
from proofkey.testing.relying_party import Person, RelyingParty
from proofkey.testing.server import free_port, running_server, write_server_config
from tests.end_to_end.provider_kit import API, CALLBACK, claims_of, server_settings, wait_until
from tests.transport.loopback_server import certificate

pytestmark = [pytest.mark.timeout(120)]
EXAMPLE = Path(__file__).parents[2] / "examples" / "nginx.conf"
NGINX = which("nginx") or "/usr/sbin/nginx"
PASSWORD = "the passphrase of ann"
ROBOT = {
    "client_id": "robot",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=robot",
    "grant_types": ["client_credentials"],
    "tls_client_certificate_bound_access_tokens": True,
    "scope": "orders:read",
}
SECRET = "a-secret-of-the-web-client-0123456789"
WEB = {
    "client_id": "web",
    "client_secret": SECRET,
    "redirect_uris": [CALLBACK],
    "scope": "openid offline_access orders:read",
}
SPOOFED = make_client_certificate("robot").escaped_headers("X-Client-Cert")["X-Client-Cert"]


class Site:
    """The server as browsers and clients see it."""

    def __init__(self, issuer: str, folder: Path) -> None:
        self.issuer = issuer
        self.folder = folder
        self.log = folder / "proofkey.log"

    def http(self, headers: dict[str, str] | None = None, *, robot: bool = False) -> httpx2.Client:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if robot:
            context.load_cert_chain(self.folder / "robot.pem", self.folder / "robot.key")
        return httpx2.Client(verify=context, trust_env=False, timeout=30, headers=headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    inner, outer = free_port(), free_port()
    issuer = f"https://localhost:{outer}/idp"
    certificate(folder, "localhost")
    _write_client_certificate(folder, "robot")
    settings = server_settings(
        issuer, {"ann": PASSWORD}, clients=[WEB, ROBOT], client_certificate_header="X-Client-Cert"
    )
    settings["resources"] = [{"identifier": API, "scopes": ["orders:read", "orders:write"]}]
    config = write_server_config(folder, settings)
    with running_server(config, port=inner), _nginx(folder, inner, outer):
        yield Site(issuer, folder)


def _nginx(folder: Path, inner: int, outer: int) -> subprocess.Popen[bytes]:
    """The example with this machine's ports and files; every line that is replaced has to be there."""
    text = EXAMPLE.read_text()
    for old, new in {
        "server 127.0.0.1:8000;": f"server 127.0.0.1:{inner};",
        "listen 443 ssl;": f"listen 127.0.0.1:{outer} ssl;",
        "server_name op.example;": "server_name localhost;",
        "/etc/ssl/op.example.pem": f"{folder}/ca.pem",
        "/etc/ssl/op.example.key": f"{folder}/key.pem",
        "/etc/ssl/clients-ca.pem": f"{folder}/clients-ca.pem",
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{text}}}\n"
    )
    command = [NGINX, "-p", str(folder), "-e", str(folder / "nginx.log"), "-c", str(folder / "nginx.conf")]
    return _Running(command, folder, outer)


class _Running(subprocess.Popen[bytes]):
    """Up when the block begins, ended when it ends."""

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        super().__init__(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._port = port
        wait_until(self._listens, 30)

    def _listens(self) -> bool:
        assert self.poll() is None, "nginx ended"
        try:
            httpx2.get(f"http://127.0.0.1:{self._port}/", trust_env=False)
        except httpx2.HTTPError:
            return False
        return True

    def __exit__(self, *ended: Any) -> None:
        self.terminate()
        super().__exit__(*ended)


def _write_client_certificate(folder: Path, name: str) -> None:
    """An authority for clients, and a certificate of its for that name."""
    now = datetime.now(UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clients")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    for file, owner, public, is_authority in (
        ("clients-ca.pem", authority, authority_key.public_key(), True),
        (f"{name}.pem", subject, key.public_key(), False),
    ):
        made = (
            x509.CertificateBuilder()
            .subject_name(owner)
            .issuer_name(authority)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        (folder / file).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.mark.spec("issue 4: behind nginx with TLS", "9700-2.6-a")
def test_a_person_signs_in_through_the_proxy(site: Site) -> None:
    with site.http() as http:
        party = RelyingParty(
            site.issuer,
            "web",
            redirect_uri=CALLBACK,
            secret=Secret(SECRET),
            scope=str(WEB["scope"]),
            resource=API,
            http=http,
        )
        tokens = party.sign_in(Person(HeadlessBrowser(http), "ann", Secret(PASSWORD)))
        assert claims_of(tokens.id_token)["iss"] == site.issuer
        cookies = {cookie.name: cookie for cookie in http.cookies.jar}
        assert cookies
        assert all(name.startswith("__Host-") and one.secure for name, one in cookies.items())
        answer = http.get(f"{site.issuer}/jwks")
        assert answer.headers["strict-transport-security"]
        assert tokens.refresh_token is not None
        assert party.refresh(tokens.refresh_token).status_code == 200


def test_every_address_that_is_told_is_that_of_the_proxy(site: Site) -> None:
    port = site.issuer.rpartition(":")[2].partition("/")[0]
    with site.http() as http:
        told = http.get(f"https://localhost:{port}/.well-known/oauth-authorization-server/idp").json()
    addresses = {name: value for name, value in told.items() if name.endswith(("_endpoint", "_uri"))}
    assert told["issuer"] == site.issuer
    assert len(addresses) > 4
    assert all(str(value).startswith(f"{site.issuer}/") for value in addresses.values())


@pytest.mark.spec("8705-2.1-a", "8705-3-a")
def test_a_certificate_that_nginx_has_checked_proves_its_client(site: Site) -> None:
    form = {"grant_type": "client_credentials", "client_id": "robot", "scope": "orders:read", "resource": API}
    with site.http(robot=True) as http:
        answer = http.post(f"{site.issuer}/token", data=form)
    assert answer.status_code == 200, answer.text
    assert set(claims_of(Secret(answer.json()["access_token"]))["cnf"]) == {"x5t#S256"}


@pytest.mark.spec("8705-2.1-a", "threats §1.7")
@pytest.mark.parametrize("name", ["X-Client-Cert", "x-client-cert", "X_Client_Cert"])
def test_a_certificate_that_a_client_writes_into_a_header_counts_for_nothing(site: Site, name: str) -> None:
    form = {"grant_type": "client_credentials", "client_id": "robot", "scope": "orders:read", "resource": API}
    with site.http({name: SPOOFED}) as http:
        answer = http.post(f"{site.issuer}/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_an_address_that_a_client_writes_into_a_header_counts_for_nothing(site: Site) -> None:
    with site.http({"x-forwarded-for": "198.51.100.77"}) as http:
        assert http.post(f"{site.issuer}/token", data={"grant_type": "none", "client_id": "web"}).is_client_error
    log = site.log.read_text()
    assert '"peer": "127.0.0.1"' in log or '"peer":"127.0.0.1"' in log
    assert "198.51.100.77" not in log
