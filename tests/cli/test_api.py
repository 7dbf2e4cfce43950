"""`proofkey api routes`: the listing on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from typing import Annotated
from fastapi import FastAPI, Security
from proofkey.fastapi import AccessToken, Protect, public

api = Protect(issuer="https://id.example", audience="https://api.example")
app = FastAPI()

@app.get("/health")
@public
async def health() -> str:
    return "ok"

@app.get("/orders")
async def orders(token: Annotated[AccessToken, Security(api)]) -> str:
    return token.sub
"""
FORGOTTEN = """

@app.get("/forgotten")
async def forgotten() -> str:
    return "oh"

def make() -> FastAPI:
    return app
"""


def run(folder: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "shop.py").write_text(source)
    command = [sys.executable, "-m", "proofkey", "api", "routes", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_declared_routes_are_in_order(tmp_path: Path) -> None:
    done = run(tmp_path, APP, "shop:app")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["GET", "/health", "public"]
    assert "all of them declared" in done.stderr


@pytest.mark.parametrize("target", [["shop:app"], ["shop:make", "--factory"]], ids=["app", "factory"])
def test_a_forgotten_route_is_a_finding(tmp_path: Path, target: list[str]) -> None:
    done = run(tmp_path, APP + FORGOTTEN, *target)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].split() == ["GET", "/forgotten", "open"]
    assert "/orders" not in done.stdout
    assert run(tmp_path, APP + FORGOTTEN, *target, "--public", "/forgotten").returncode == 0


def test_the_document_holds_the_same(tmp_path: Path) -> None:
    done = run(tmp_path, APP + FORGOTTEN, "shop:app", "--json")
    assert done.returncode == 1
    listed = {route["path"]: route for route in json.loads(done.stdout)}
    assert listed["/forgotten"] == {
        "path": "/forgotten",
        "methods": ["GET"],
        "name": "forgotten",
        "kind": "http",
        "declared": False,
        "meant": False,
    }
    assert listed["/docs"]["kind"] == "documentation"
    assert listed["/health"]["meant"] is True


@pytest.mark.parametrize("target", ["shop", "shop:", ":app", "nowhere:app", "shop:nothing"])
def test_what_is_not_there_is_one_line(tmp_path: Path, target: str) -> None:
    done = run(tmp_path, APP, target)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
