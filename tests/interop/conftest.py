"""The peers from npm run only when `make interop` asks for them: they must be installed first."""

import os

import pytest

collect_ignore_glob = [] if os.environ.get("INTEROP_PEERS") == "1" else ["test_*.py"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
