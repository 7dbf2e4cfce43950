"""Files that `proofkey config` writes: never over another one unasked, secrets for their owner alone."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding

PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644


def check_free(paths: Iterable[Path], *, force: bool) -> None:
    """Raises: ConfigurationError when a file is there already and may not be replaced."""
    for path in paths:
        if path.is_dir() or (not force and os.path.lexists(path)):
            reason = "a folder" if path.is_dir() else "it is there already; --force replaces it"
            raise ConfigurationError(Finding.CONFIG_FILE_EXISTS, file=str(path), reason=reason)


def write_files(folder: Path, files: Mapping[str, str], private: Iterable[str] = (), *, force: bool) -> list[Path]:
    """All of them or none, as far as what stands there says. Raises: ConfigurationError, OSError."""
    secret = frozenset(private)
    paths = [folder / name for name in files]
    check_free(paths, force=force)
    folder.mkdir(parents=True, exist_ok=True)
    for path, (name, text) in zip(paths, files.items(), strict=True):
        write_file(path, text, private=name in secret)
    return paths


def write_file(path: Path, text: str, *, private: bool = False) -> None:
    """Replaces the file in one step; a private one is 0600 from its first byte. Raises: OSError."""
    mode = PRIVATE if private else _PUBLIC
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), mode)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
