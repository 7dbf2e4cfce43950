"""Coroutines run on asyncio, as the servers do."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
