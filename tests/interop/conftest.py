"""The peers run only when `make interop` asks for them: they must be brought here first."""

import os
from pathlib import Path

import pytest

_PEERS = os.environ.get("INTEROP_PEERS", "").split()


def _needs(file: Path) -> str:
    return "keycloak" if file.name.startswith("test_keycloak") else "npm"


collect_ignore = [file.name for file in Path(__file__).parent.glob("test_*.py") if _needs(file) not in _PEERS]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
