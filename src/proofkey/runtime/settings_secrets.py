"""The rule of `protocol.secret_strength` for settings."""

from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import Secret


def check_strong_secret(secret: Secret, key: str) -> None:
    """`key` is the setting's name. Raises: ConfigurationError when everybody could know or guess the secret."""
    check_secret_strength(secret, setting=key)
