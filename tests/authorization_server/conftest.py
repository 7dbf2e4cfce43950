import pytest

from tests.authorization_server.driver import Desk, Visitor, open_desk


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def desk() -> Desk:
    return await open_desk()


@pytest.fixture
def visitor(desk: Desk) -> Visitor:
    return Visitor(desk.core)
