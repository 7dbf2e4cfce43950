"""Everything above the stores runs on asyncio; an application with a login, and a browser in front of it."""

import pytest

from tests.web.login_browser import App, Browser


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def browser(app: App) -> Browser:
    return app.browser()
