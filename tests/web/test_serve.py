"""`proofkey serve` as a process: what it says, how it ends, and what it refuses."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.testing.server import ServerFailed, free_port, running_server, write_server_config
from proofkey.web.uvicorn_run import bind
from proofkey.web.workers import Workers

SECRET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF"
SERVER: Mapping[str, Any] = {
    "issuer": "https://op.test",
    "clients": [
        {"client_id": "web", "client_secret": SECRET, "redirect_uris": ["https://rp.test/cb"], "scope": "openid"}
    ],
    "users": [{"username": "ann", "password": "brave-otter-river-41", "sub": "u1"}],
}


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    with urlopen(Request(url, headers=headers), timeout=10) as reply:
        return reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.read()


def run(config: Path, *options: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "proofkey", "serve", "--config", str(config), *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})}, check=False
    )


@pytest.mark.spec("interfaces: serve")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_it_says_that_it_serves_and_ends_when_it_is_told(tmp_path: Path, number: int) -> None:
    config = write_server_config(tmp_path, SERVER)
    with running_server(config) as server:
        status, headers, body = get(f"{server.url}/.well-known/openid-configuration", Host="evil.test")
        assert server.pid == server.process.pid
        assert server.stop(number) == 0
    assert (status, json.loads(body)["issuer"]) == (200, "https://op.test")
    assert server.public_url == "https://op.test"
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9][0-9]+", server.url)
    assert "server" not in headers
    assert SECRET not in server.log.read_text()
    assert "brave-otter" not in server.log.read_text()


@pytest.mark.spec("X-store", "threats §2.12")
def test_workers_share_one_socket_and_one_store_and_one_set_of_keys(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, {**SERVER, "workers": 2})
    with running_server(config) as server:
        workers = children(server.pid)
        sets = {get(f"{server.url}/jwks")[2] for _ in range(12)}
        assert server.stop() == 0
    assert len(workers) == 2
    assert len(sets) == 1
    assert '"serve.workers"' in server.log.read_text()
    assert not any(is_alive(worker) for worker in workers)


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, SERVER)
    with running_server(config, workers=2) as server:
        before = children(server.pid)
        os.kill(before[0], signal.SIGKILL)
        assert wait_for(
            lambda: (
                len([one for one in children(server.pid) if is_alive(one)]) == 2 and children(server.pid) != before
            )
        )
        assert get(f"{server.url}/jwks")[0] == 200
        assert server.stop() == 0


def test_a_worker_that_cannot_come_back_says_why(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, SERVER)
    with running_server(config, workers=2) as server:
        config.write_text(config.read_text() + "nonsense = 1\n")
        os.kill(children(server.pid)[0], signal.SIGKILL)
        assert wait_for(lambda: '"worker.refused"' in server.log.read_text())
        assert get(f"{server.url}/jwks")[0] == 200
    told = [json.loads(line) for line in server.log.read_text().splitlines()]
    refused = next(line for line in told if line["event"] == "worker.refused")
    assert refused["finding"] == "CFG-01"
    assert "nonsense" in refused["reason"]


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, SERVER)
    with running_server(config, workers=2) as server:
        workers = children(server.pid)
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        assert wait_for(lambda: not any(is_alive(worker) for worker in workers))


@pytest.mark.spec("interfaces: serve")
@pytest.mark.parametrize(
    ("server", "options", "environ", "finding", "words"),
    [
        pytest.param({"store": "memory:", "workers": 2}, [], {}, "STO-01", "sqlite:///", id="memory and workers"),
        pytest.param(
            {"store": "memory:"}, ["--workers", "2"], {}, "STO-01", "sqlite:///", id="memory and --workers"
        ),
        pytest.param({"issuer": "http://op.test"}, [], {}, "TLS-01", "https", id="http issuer"),
        pytest.param({"nonsense": 1}, [], {}, "CFG-01", "nonsense", id="unknown key"),
        pytest.param(
            {"store": "sqlite:////proc/none/x.db"}, [], {}, "STO-02", "/proc/none", id="unwritable store"
        ),
        pytest.param(
            {},
            ["--host", "0.0.0.0"],
            {"PROOFKEY_ALLOW_INSECURE_CLOCK_FILE": "clock"},
            "CFG-02",
            "loopback",
            id="a turned clock off loopback",
        ),
        pytest.param({"trusted_proxies": ["300.0.0.1"]}, [], {}, "CFG-02", "trusted_proxies", id="no network"),
    ],
)
def test_the_start_is_refused_in_one_line(
    tmp_path: Path, server: dict[str, Any], options: list[str], environ: dict[str, str], finding: str, words: str
) -> None:
    config = write_server_config(tmp_path, {**SERVER, **server})
    program = run(config, "--port", "0", "--ready-json", *options, env=environ)
    said = json.loads(program.stdout)
    assert program.returncode == 2
    assert (said["event"], said["finding"]) == ("error", finding)
    assert words in said["message"]
    assert "Traceback" not in program.stderr


def test_a_person_gets_the_refusal_as_one_line(tmp_path: Path) -> None:
    refused = run(write_server_config(tmp_path, {**SERVER, "store": "memory:"}), "--workers", "2")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert "STO-01" in refused.stderr


def test_a_port_in_use_that_was_asked_for_is_refused(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, SERVER)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run(config, "--port", str(taken.getsockname()[1]), "--ready-json")
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["finding"] == "CFG-05"


def test_what_a_worker_could_not_do_is_what_the_caller_gets(tmp_path: Path) -> None:
    listener = bind("127.0.0.1", 0)
    workers = Workers(2, listener, {"config": str(tmp_path / "none.toml"), "log_json": True})
    with pytest.raises(ConfigurationError, match="none") as refused:
        workers.run(lambda: pytest.fail("it never serves"))
    listener.close()
    assert refused.value.finding is Finding.CONFIG_FILE


def test_the_helper_for_tests_says_what_the_server_said(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, {**SERVER, "nonsense": 1})
    with pytest.raises(ServerFailed, match="CFG-01"), running_server(config):
        pass


def test_localhost_is_served_on_every_address_it_has(tmp_path: Path) -> None:
    port = free_port()
    config = write_server_config(tmp_path, {**SERVER, "issuer": f"http://localhost:{port}"})
    with running_server(config, host="localhost", port=port) as server:
        assert server.url == f"http://localhost:{port}"
        families = {info[4][0] for info in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)}
        for address in families:
            host = f"[{address}]" if ":" in str(address) else address
            assert get(f"http://{host}:{port}/jwks")[0] == 200


def test_a_person_is_told_where_it_is_and_what_is_missing(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, {"issuer": "http://127.0.0.1:1"})
    command = [sys.executable, "-m", "proofkey", "serve", "--config", str(config), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines: list[str] = []
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    told = "".join(lines)
    assert out == ""
    assert process.returncode == 0
    for words in (
        "http://127.0.0.1:1",
        "openid-configuration",
        "sqlite:///",
        "user add",
        "client add",
        "another port",
    ):
        assert words in told


@pytest.mark.spec("threats §2.44")
def test_requests_that_are_under_way_are_finished(tmp_path: Path) -> None:
    config = write_server_config(tmp_path, SERVER)
    with running_server(config) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as slow:
            body = b"grant_type=client_credentials"
            slow.sendall(
                b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            assert wait_for(lambda: get(f"{server.url}/jwks")[0] == 200)
            server.process.send_signal(signal.SIGTERM)
            assert wait_for(lambda: not accepts(host, int(port)))
            slow.sendall(body)
            answer = slow.recv(65536)
        assert server.stop() == 0
    assert answer.startswith(b"HTTP/1.1 401")


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_for(condition: Any, seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
