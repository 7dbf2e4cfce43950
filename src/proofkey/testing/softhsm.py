"""A PKCS#11 token of SoftHSM in a folder of its own, for tests of a signer."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proofkey.runtime.entropy import system_entropy

MODULES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
VARIABLE: Final = "SOFTHSM2_CONF"


class NoSoftHsm(Exception):
    """SoftHSM is not installed; the message says what to install."""


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """A token with its PIN. Whoever uses it runs with `environ`."""

    folder: Path
    module: str
    token: str
    pin: str

    @property
    def environ(self) -> Mapping[str, str]:
        return {VARIABLE: str(self.folder / "softhsm2.conf")}

    @property
    def pin_file(self) -> Path:
        return self.folder / "pin"

    def settings(self, *keys: Mapping[str, Any]) -> dict[str, Any]:
        """The section `[server.signer]`."""
        named = {"module": self.module, "token": self.token, "pin_file": str(self.pin_file)}
        return {**named, "keys": list(keys)}

    def add(self, label: str, algorithm: str) -> None:
        """A new key pair of that kind: ES256, RS256, PS256, Ed25519, or P-384."""
        key = _key_for(algorithm).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = self.folder / f"{label}.pem"
        file.touch(mode=0o600)
        file.write_bytes(key)
        number = os.urandom(4).hex()
        words = ("--import", str(file), "--label", label, "--id", number, "--token", self.token, "--pin", self.pin)
        _run(self.environ, *words)
        file.unlink()

    def lose(self) -> None:
        """Takes the token away, as if somebody pulled it out."""
        (self.folder / "tokens").rename(self.folder / "pulled out")

    def restore(self) -> None:
        """Puts it back."""
        (self.folder / "pulled out").rename(self.folder / "tokens")


def make_token(folder: Path, *, label: str = "proofkey") -> SoftHsm:
    """An empty token with a random PIN. Raises: NoSoftHsm."""
    module = next((path for path in MODULES if Path(path).is_file()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        raise NoSoftHsm("SoftHSM is missing: apt-get install softhsm2")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokens").mkdir()
    lines = (f"directories.tokendir = {folder / 'tokens'}", "objectstore.backend = file", "log.level = ERROR")
    (folder / "softhsm2.conf").write_text("\n".join(lines) + "\n")
    made = SoftHsm(folder, module, label, system_entropy()[:16])
    made.pin_file.touch(mode=0o600)
    made.pin_file.write_text(made.pin)
    words = ("--init-token", "--free", "--label", label, "--so-pin", system_entropy()[:16], "--pin", made.pin)
    _run(made.environ, *words)
    return made


def _run(environ: Mapping[str, str], *words: str) -> None:
    command = ["softhsm2-util", *words]
    done = subprocess.run(  # noqa: S603 - our own command line
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoSoftHsm(f"softhsm2-util {words[0]}: {done.stderr.strip()[:200]}")


def _key_for(algorithm: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    match algorithm:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(65537, 2048)
