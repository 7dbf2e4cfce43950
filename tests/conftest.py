"""What every test gets: a temporary folder of its own worker, so that memory stores of two workers never meet."""

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Slow machines draw slowly; no test is decided by a stopwatch.
settings.register_profile("proofkey", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("proofkey")

_numbers = count()


def _use(folder: Path) -> None:
    """A memory store locks its public URL in the temporary folder: one process per URL."""
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = str(folder)


@pytest.fixture(scope="session", autouse=True)
def folder_of_this_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what lives longer than a test."""
    folder = tmp_path_factory.mktemp("w")  # short names: a socket's path has 107 characters
    _use(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def folder_of_this_module(folder_of_this_worker: Path) -> Iterator[Path]:
    """For what the tests of a file share: what they leave open is in no other file's way."""
    folder = folder_of_this_worker / f"m{next(_numbers)}"
    folder.mkdir()
    _use(folder)
    yield folder
    _use(folder_of_this_worker)


@pytest.fixture(autouse=True)
def folder_of_this_test(folder_of_this_worker: Path, folder_of_this_module: Path) -> Iterator[None]:
    """A store that a test leaves open is in nobody's way."""
    folder = folder_of_this_worker / f"t{next(_numbers)}"
    folder.mkdir()
    _use(folder)
    yield
    _use(folder_of_this_module)


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves the page as `__main__`, which new processes would then run again."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


LOGGERS = tuple(logging.getLogger(name) for name in ("proofkey", "uvicorn", "uvicorn.error", "uvicorn.access"))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that runs in this process sets logging up for itself; the next test reads its own log."""
    root = logging.getLogger()
    before = [(logger, logger.level, logger.propagate, logger.disabled, [*logger.handlers]) for logger in LOGGERS]
    level = root.level
    yield
    root.setLevel(level)
    for logger, level_before, propagate, disabled, handlers in before:
        logger.setLevel(level_before)
        logger.propagate, logger.disabled, logger.handlers = propagate, disabled, handlers
