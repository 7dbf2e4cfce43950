"""Keeps a file with secrets out of git."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from proofkey.cli.config_files import write_file
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding

_SPECIAL: Final = re.compile(r"([\\*?\[]|\s$)")
"""What gitignore reads as more than itself, behind the first slash."""
_SECONDS: Final = 10
_IGNORED: Final = 0
_FREE: Final = 1


def check_untracked(file: Path) -> None:
    """Raises: ConfigurationError when git has the file in its index."""
    if _git("ls-files", "--error-unmatch", "--", file=file) == _IGNORED:
        raise ConfigurationError(Finding.SECRET_FILE_TRACKED, file=str(file))


def ignore_in_git(file: Path, project: Path) -> Path | None:
    """Adds the file to `.gitignore` of the project's folder unless something there ignores it; gives the file that
    was changed. Also where there is no repository yet.

    Raises: ConfigurationError when it is not ignored even so; OSError.
    """
    entry = _SPECIAL.sub(r"\\\1", file.relative_to(project).as_posix())
    ignore = project / ".gitignore"
    text = ignore.read_text(encoding="utf-8") if ignore.is_file() else ""
    status = _git("check-ignore", "--quiet", "--", file=file)
    if status == _IGNORED or (status != _FREE and _names(text, entry)):
        return None
    write_file(ignore, f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}/{entry}\n")
    if _git("check-ignore", "--quiet", "--", file=file) == _FREE:
        reason = "another line takes it out again"
        raise ConfigurationError(Finding.CONFIG_VALUE, key=str(ignore), value=entry, reason=reason)
    return ignore


def _names(text: str, entry: str) -> bool:
    """Whether a line stands for it, where no git can be asked."""
    folder, _, name = entry.rpartition("/")
    known = {entry, f"/{entry}", name, folder, f"{folder}/", f"/{folder}", f"/{folder}/"} - {"", "/"}
    return any(line.strip() in known for line in text.splitlines())


def _git(*arguments: str, file: Path) -> int:
    """The exit status; 128 where git is missing, or finds no repository."""
    git = shutil.which("git")
    folder = next(place for place in file.absolute().parents if place.is_dir())
    if git is None:
        return 128
    command = [git, "-C", str(folder), *arguments, str(file.absolute())]
    try:
        return subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False).returncode  # noqa: S603
    except subprocess.TimeoutExpired:
        return 128
