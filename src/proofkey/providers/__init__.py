"""The providers that Proofkey knows: one module each, data and pure functions."""

from proofkey.providers.choose import DIALECTS, dialect_for, dialect_named
from proofkey.providers.google import google_id_tokens

__all__ = ["DIALECTS", "dialect_for", "dialect_named", "google_id_tokens"]
