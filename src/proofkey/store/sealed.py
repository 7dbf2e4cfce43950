"""Envelope encryption for what a store may not show: private keys, upstream tokens."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.protocol.text import decode_base64url, encode_base64url

_NONCE = 12


class Sealer:
    """AES-256-GCM under one derived key; `context` binds a sealed value to its place."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> str:
        nonce = os.urandom(_NONCE)
        return encode_base64url(nonce + self._aead.encrypt(nonce, plain, context.encode()))

    def open(self, sealed: str, context: str) -> bytes:
        """Raises: ConfigurationError when the master key is another one or the value was altered."""
        try:
            data = decode_base64url(sealed)
            return self._aead.decrypt(data[:_NONCE], data[_NONCE:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise ConfigurationError(Finding.MASTER_KEY_WRONG, context=context) from error
