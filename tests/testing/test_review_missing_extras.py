"""A package that is not installed is told in one line that names the extra."""

import subprocess
import sys

import pytest

BLOCK = """
import sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Gone())
"""


def run_without(names: list[str], code: str) -> subprocess.CompletedProcess[str]:
    program = BLOCK.format(names=names) + code
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.spec("design-2")
@pytest.mark.parametrize(
    ("gone", "code", "extra"),
    [
        pytest.param("fastapi", "import proofkey.fastapi", "fastapi", id="FastAPI"),
        pytest.param("starlette", "import proofkey.fastapi", "fastapi", id="Starlette below FastAPI"),
        pytest.param("streamlit", "import proofkey.streamlit", "streamlit", id="Streamlit"),
        pytest.param("authlib", "import proofkey.streamlit", "streamlit", id="Authlib"),
        pytest.param("starlette", "from proofkey.web import Login", "fastapi", id="Starlette of a login"),
        pytest.param("jinja2", "from proofkey.web import Server", "server", id="Jinja2 of a server"),
    ],
)
def test_the_line_names_the_extra_without(gone: str, code: str, extra: str) -> None:
    ran = run_without([gone], code)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert "CFG-06" in last
    assert f'pip install "proofkey[{extra}]"' in last
    assert "ModuleNotFoundError" not in ran.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import proofkey",
        "from proofkey.runtime.verifier import Verifier",
        "from proofkey.runtime.login_core import LoginCore",
    ],
)
def test_the_base_needs_no_extra(code: str) -> None:
    ran = run_without(
        ["fastapi", "starlette", "streamlit", "authlib", "sqlalchemy", "alembic", "argon2", "uvicorn", "jinja2"],
        code,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_importing_the_package_costs_the_standard_library_alone() -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nimport proofkey\nnew = set(sys.modules) - before\n"
        "print(sorted(name for name in new if name.partition('.')[0] not in sys.stdlib_module_names))"
    )
    ran = run_without([], code)
    assert ran.stdout.strip() == "['proofkey']"
