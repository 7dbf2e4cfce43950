"""The one master key, and the keys derived from it: one label each."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from proofkey.protocol.text import Secret


class MasterKey:
    """Holds the operator's secret; gives derived keys only (RFC 5869)."""

    __slots__ = ("_material",)

    def __init__(self, secret: Secret) -> None:
        self._material = secret.reveal().encode()

    def derive(self, label: str, length: int = 32) -> bytes:
        """A key for that label alone; the same label gives the same key on every node."""
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"proofkey {label}".encode()).derive(
            self._material
        )

    def __repr__(self) -> str:
        return "MasterKey('***')"
