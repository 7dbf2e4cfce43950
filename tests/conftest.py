"""What every test gets: a temporary folder of its own worker, so that memory stores of two workers never meet."""

import os
import sys
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def folder_of_this_worker(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A memory store locks its public URL in the temporary folder: one process per URL."""
    folder = str(tmp_path_factory.mktemp("worker"))
    tempfile.tempdir = folder
    os.environ["TMPDIR"] = folder


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves the page as `__main__`, which new processes would then run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before
