"""`proofkey config show`: every setting, its origin, no secret."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proofkey.cli.app import run
from proofkey.runtime.settings import Settings
from proofkey.runtime.settings_model import ApiSettings
from proofkey.runtime.settings_origin import find_lines, shown_settings

SECRET = "q8Jr2b0Nn1uYxw3dZ5v7AaKkLmPpQqRrSsTtUuVvWwX"
TEXT = f"""\
[server]
issuer = "https://op.test"
master_key_file = "master.key"
lifetimes = {{ code = 30 }}
users = [{{ username = "ann", password = "canary of ann" }}]

[[server.clients]]
client_id = "web"
client_secret = "{SECRET}"

[[server.clients]]
client_id = "old"
allow_insecure_without_pkce = true

[api]
issuer = "https://op.test"
audience = "https://api.test"
"public_url" = "https://api.test"
dpop = "optional"
store = "postgresql://u:canary@db.test/api"
introspection.client_id = "api"
introspection.client_secret_file = "introspection.secret"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("master.key", "introspection.secret"):
        (tmp_path / name).write_text(f"{SECRET}{name}\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "proofkey.toml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    assert run(["config", "show", "--json", *words]) == 0
    said = json.loads(capsys.readouterr().out)
    return {one["key"]: one for one in said["settings"]}


@pytest.mark.usefixtures("folder")
def test_each_setting_tells_where_it_came_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("PROOFKEY_API_DPOP", "required")
    monkeypatch.setenv("PROOFKEY_API_SCOPE_HIERARCHY", '{"a": ["b"]}')
    settings = shown(capsys)
    wanted = {
        "server.issuer": ("https://op.test", "file", "proofkey.toml:2"),
        "server.master_key": ("***", "secret file", str(folder / "master.key")),
        "server.master_key_file": (str(folder / "master.key"), "file", "proofkey.toml:3"),
        "server.workers": (1, "default", None),
        "server.lifetimes.code": (30, "file", "proofkey.toml:4"),
        "server.lifetimes.id_token": (300, "default", None),
        "server.users.0.username": ("ann", "file", "proofkey.toml:5"),
        "server.users.0.password": ("***", "file", "proofkey.toml:5"),
        "server.clients.0.client_secret": ("***", "file", "proofkey.toml:9"),
        "server.clients.1.client_id": ("old", "file", "proofkey.toml:12"),
        "api.public_url": ("https://api.test", "file", "proofkey.toml:18"),
        "api.dpop": ("required", "environment", "PROOFKEY_API_DPOP"),
        "api.store": ("postgresql://db.test/api", "file", "proofkey.toml:20"),
        "api.scope_hierarchy": ({"a": ["b"]}, "environment", "PROOFKEY_API_SCOPE_HIERARCHY"),
        "api.introspection.client_id": ("api", "file", "proofkey.toml:21"),
        "api.introspection.client_secret": ("***", "secret file", str(folder / "introspection.secret")),
        "api.introspection.max_age": (60, "default", None),
        "log.level": ("info", "default", None),
    }
    for key, (value, origin, where) in wanted.items():
        one = settings[key]
        assert (one["value"], one["origin"], one["where"]) == (value, origin, where), key
    assert not any(key.startswith("login") for key in settings)


@pytest.mark.usefixtures("folder")
def test_every_key_of_a_section_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    keys = {key.split(".")[1] for key in shown(capsys, "--only", "api")}
    assert keys == set(ApiSettings.model_fields)


@pytest.mark.spec("threats §2 row 24")
@pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.usefixtures("folder")
def test_no_secret_is_shown(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert run(["config", "show", *words]) == 0
    said = capsys.readouterr()
    for secret in (SECRET, "canary"):
        assert secret not in said.out + said.err


@pytest.mark.usefixtures("folder")
def test_weakenings_in_force_are_marked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROOFKEY_ALLOW_INSECURE_CLOCK_FILE", "/tmp/clock")
    marked = {key for key, one in shown(capsys).items() if one["insecure"]}
    assert marked == {"server.clients.1.allow_insecure_without_pkce", "PROOFKEY_ALLOW_INSECURE_CLOCK_FILE"}
    assert run(["config", "show"]) == 0
    said = capsys.readouterr()
    marked_lines = [line for line in said.out.splitlines() if line.endswith("  insecure")]
    assert len(marked_lines) == 2
    assert "2 weakenings are in force." in said.err
    assert "\x1b" not in said.out


@pytest.mark.parametrize(
    ("words", "environ", "told"),
    [
        (["--config", "none.toml"], {}, "CFG-08"),
        ([], {"PROOFKEY_API_AUDIENC": "x"}, "did you mean api.audience?"),
        (["--only", "lgin"], {}, "no section"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_cannot_be_shown_ends_with_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    environ: dict[str, str],
    told: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert run(["config", "show", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert told in said.err


def test_without_a_file_the_defaults_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["config", "show"]) == 0
    said = capsys.readouterr()
    assert "log.level" in said.out
    assert "no proofkey.toml" in said.err


def test_an_array_of_tables_within_one_is_counted_in_its_own(tmp_path: Path) -> None:
    lines = find_lines('a = 1\n[[s.c]]\nx = 1\n[[s.c.d]]\ny = 1\n[[s.c]]\n[[s.c.d]]\n# z = 2\n"q.r" = 3')
    assert lines["a",] == 1
    assert lines["s", "c", 0, "x"] == 3
    assert lines["s", "c", 0, "d", 0, "y"] == 5
    assert lines["s", "c", 1] == 6
    assert ("z",) not in lines


def test_a_value_of_a_text_that_looks_like_a_key_does_no_harm(folder: Path) -> None:
    file = folder / "strange.toml"
    file.write_text('[api]\naudience = """\nissuer = x"""\nissuer = "https://op.test"\n')
    by_key = {one.key: one for one in shown_settings(Settings.load(file, {}), {})}
    assert by_key["api.issuer"].value == "https://op.test"


@pytest.mark.usefixtures("folder")
def test_it_needs_no_extra() -> None:
    """The base package alone can show settings."""
    blocked = ("starlette", "fastapi", "sqlalchemy", "alembic", "uvicorn", "argon2", "jinja2", "psycopg", "redis")
    code = (
        f"import sys\nfor name in {blocked}: sys.modules[name] = None\n"
        "from proofkey.cli.app import run\nsys.exit(run(['config', 'show']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
