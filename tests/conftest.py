"""What every test gets: a temporary folder of its own worker, so that memory stores of two workers never meet."""

import os
import tempfile

import pytest


@pytest.fixture(scope="session", autouse=True)
def folder_of_this_worker(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A memory store locks its public URL in the temporary folder: one process per URL."""
    folder = str(tmp_path_factory.mktemp("worker"))
    tempfile.tempdir = folder
    os.environ["TMPDIR"] = folder
