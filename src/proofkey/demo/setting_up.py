"""The folder of one demonstration: configuration, keys and passwords, made anew at each start."""

import errno
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proofkey.demo.passphrase import passphrase
from proofkey.protocol.text import Secret
from proofkey.testing.toml import toml_document

SCOPES: Final = "openid profile email offline_access orders:read orders:write"
HOSTS: Final[Mapping[str, str]] = {"server": "localhost", "api": "127.0.0.1", "streamlit": "127.0.0.1"}
"""The provider is another site than the two applications, as it is in real life."""
USUAL_PORTS: Final[Mapping[str, int]] = {"server": 9000, "api": 8000, "streamlit": 8501}


@dataclass(frozen=True, slots=True)
class DemoUser:
    """One of the two people of the demonstration."""

    username: str
    name: str
    roles: tuple[str, ...]


USERS: Final = (DemoUser("ann", "Ann Arbor", ("admin",)), DemoUser("bob", "Bob Lind", ()))


@dataclass(frozen=True, slots=True)
class Demo:
    """Where everything is. The password is the same for both users and shown once."""

    folder: Path
    ports: Mapping[str, int]
    password: Secret
    clock_file: Path
    """Holds the seconds by which every clock of the demonstration is ahead."""

    @property
    def config(self) -> Path:
        return self.folder / "proofkey.toml"

    @property
    def issuer(self) -> str:
        return self._url("server")

    @property
    def api(self) -> str:
        return self._url("api")

    @property
    def streamlit(self) -> str:
        return self._url("streamlit")

    def _url(self, role: str) -> str:
        return f"http://{HOSTS[role]}:{self.ports[role]}"


def free_ports(usual: Mapping[str, int] = USUAL_PORTS) -> dict[str, int]:
    """For each part the usual port where nobody has it, else any free one; all different.

    Raises: OSError when the loopback interface has no free port.
    """
    ports: dict[str, int] = {}
    with ExitStack() as probes:
        for role, port in usual.items():
            found = _take(HOSTS[role], port, probes)
            ports[role] = _take(HOSTS[role], 0, probes) or 0 if found is None else found
    if not all(ports.values()):
        raise OSError("no free port on the loopback interface")
    return ports


def _take(host: str, port: int, probes: ExitStack) -> int | None:
    """Binds the port on every address of `host` until `probes` are closed; None when somebody else has it."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, kind, _, _, address in addresses:
        probe = probes.enter_context(socket.socket(family, kind))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address[0], port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return None
            continue  # a computer without that family
        port = int(probe.getsockname()[1])
    return port or None


def set_up(
    folder: Path,
    entropy: Callable[[], str],
    *,
    usual_ports: Mapping[str, int] = USUAL_PORTS,
    clock_file: Path | None = None,
) -> Demo:
    """Writes the folder; every file is for its owner only. `clock_file` is somebody else's, where there is one."""
    demo = Demo(folder, free_ports(usual_ports), Secret(passphrase(entropy)), clock_file or folder / "clock")
    client_secret = entropy()
    _write(folder / "master.key", entropy())
    _write(folder / "streamlit.secret", client_secret)
    _write(demo.config, toml_document(_sections(demo, client_secret)))
    if clock_file is None:
        _write(demo.clock_file, "0")
    return demo


def _write(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text + "\n", encoding="utf-8")


def _sections(demo: Demo, client_secret: str) -> dict[str, dict[str, object]]:
    return {
        "server": {
            "issuer": demo.issuer,
            "store": "sqlite:///server.db",
            "master_key_file": "master.key",
            "resources": [{"identifier": demo.api, "scopes": ["orders:read", "orders:write"]}],
            "clients": _clients(demo, client_secret),
            "users": [_user(user, demo.password) for user in USERS],
        },
        "api": {"issuer": demo.issuer, "audience": demo.api, "public_url": demo.api, "docs_client_id": "docs"},
        "login": {
            "issuer": demo.issuer,
            "client_id": "streamlit",
            "client_secret_file": "streamlit.secret",
            "public_url": demo.streamlit,
            "audience": demo.api,
            "api_url": demo.api,
            "scope": SCOPES,
            "store": "memory:",
        },
    }


def _user(user: DemoUser, password: Secret) -> dict[str, object]:
    return {
        "username": user.username,
        "password": password.reveal(),
        "sub": f"demo-{user.username}",
        "roles": list(user.roles),
        "claims": {"name": user.name, "email": f"{user.username}@example.org"},
    }


def _clients(demo: Demo, client_secret: str) -> list[dict[str, object]]:
    return [
        {
            "client_id": "streamlit",
            "client_name": "Orders",
            "client_secret": client_secret,
            "redirect_uris": [f"{demo.streamlit}/auth/callback"],
            "post_logout_redirect_uris": [f"{demo.streamlit}/auth/signed-out"],
            "scope": SCOPES,
        },
        {
            "client_id": "docs",
            "client_name": "Orders API documentation",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [f"{demo.api}/docs/oauth2-redirect"],
            "grant_types": ["authorization_code"],
            "scope": "openid orders:read orders:write",
        },
        {
            "client_id": "cli",
            "client_name": "proofkey flow",
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "scope": SCOPES,
        },
    ]
