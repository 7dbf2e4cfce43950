"""The servers of the black-box tests: each is started once, when the first test asks for it."""

from collections.abc import Generator

import pytest

from tests.end_to_end.provider_kit import API, Provider, running_provider


@pytest.fixture(scope="session")
def op(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    """A default install, whose clock nobody turns."""
    with running_provider(tmp_path_factory.mktemp("op")) as provider:
        yield provider


@pytest.fixture(scope="session")
def later(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    """For tests that turn the clock; its issuer has a path, and there is a default resource."""
    with running_provider(tmp_path_factory.mktemp("later"), path="/tenant", default_resource=API) as provider:
        yield provider
