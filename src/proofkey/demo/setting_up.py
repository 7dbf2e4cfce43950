"""The folder of one demonstration: configuration, keys and passwords, made anew at each start."""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from proofkey.demo.passphrase import passphrase
from proofkey.protocol.text import Secret

SCOPES = "openid profile email offline_access orders:read orders:write"
USUAL_PORTS = {"server": 9000, "api": 8000, "streamlit": 8501}


@dataclass(frozen=True, slots=True)
class DemoUser:
    """One of the two people of the demonstration."""

    username: str
    name: str
    roles: tuple[str, ...]


USERS = (DemoUser("ann", "Ann Arbor", ("admin",)), DemoUser("bob", "Bob Lind", ()))


@dataclass(frozen=True, slots=True)
class Demo:
    """Where everything is. The password is the same for both users and shown once."""

    folder: Path
    ports: dict[str, int]
    password: Secret

    @property
    def config(self) -> Path:
        return self.folder / "proofkey.toml"

    @property
    def clock_file(self) -> Path:
        return self.folder / "clock"

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.ports['server']}"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def streamlit(self) -> str:
        return f"http://127.0.0.1:{self.ports['streamlit']}"


def free_port(usual: int) -> int:
    """The usual port when nobody has it, else any free one."""
    for port in (usual, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on the loopback interface")


def set_up(folder: Path, entropy: Callable[[], str], *, usual_ports: dict[str, int] | None = None) -> Demo:
    """Writes the folder; every file is for its owner only."""
    ports = {role: free_port(port) for role, port in (usual_ports or USUAL_PORTS).items()}
    demo = Demo(folder, ports, Secret(passphrase(entropy)))
    client_secret = entropy()
    _write(folder / "master.key", entropy())
    _write(folder / "streamlit.secret", client_secret)
    _write(demo.clock_file, "0")
    _write(demo.config, _toml(demo, client_secret))
    return demo


def _write(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text + "\n", encoding="utf-8")


def _toml(demo: Demo, client_secret: str) -> str:
    sections: dict[str, dict[str, object]] = {
        "server": {
            "issuer": demo.issuer,
            "store": "sqlite:///server.db",
            "master_key_file": "master.key",
            "resources": [{"identifier": demo.api, "scopes": ["orders:read", "orders:write"]}],
            "clients": _clients(demo, client_secret),
            "users": [
                {
                    "username": user.username,
                    "password": demo.password.reveal(),
                    "sub": f"demo-{user.username}",
                    "roles": list(user.roles),
                    "claims": {"name": user.name, "email": f"{user.username}@example.org"},
                }
                for user in USERS
            ],
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
    lines: list[str] = []
    for section, settings in sections.items():
        lines += [f"[{section}]", *(f"{key} = {_value(value)}" for key, value in settings.items()), ""]
    return "\n".join(lines)


def _clients(demo: Demo, client_secret: str) -> list[dict[str, object]]:
    return [
        {
            "client_id": "streamlit",
            "client_name": "Orders",
            "client_secret": client_secret,
            "redirect_uris": [f"{demo.streamlit}/auth/callback"],
            "post_logout_redirect_uris": [
                f"{demo.streamlit}/auth/signed-out",
                f"{demo.streamlit}/",
                demo.streamlit,
            ],
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


def _value(value: object) -> str:
    """TOML of strings, lists and tables; JSON strings are TOML basic strings."""
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in table.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in cast("list[object]", value)) + "]"
    return json.dumps(value)
