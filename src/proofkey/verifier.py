"""Access tokens without a framework: for Flask, workers and scripts."""

from proofkey.errors import (
    ConfigurationError,
    InsufficientScope,
    InvalidToken,
    MalformedCredentials,
    NoCredentials,
    ProofkeyError,
    Unavailable,
)
from proofkey.protocol.access_token import AccessToken
from proofkey.resource_server.authorization import check_scope
from proofkey.resource_server.challenge import Challenges, Refusal, build_refusal
from proofkey.resource_server.credentials import read_credentials
from proofkey.runtime.trust import TrustedIssuer
from proofkey.runtime.verifier import Verifier

__all__ = [
    "AccessToken",
    "Challenges",
    "ConfigurationError",
    "InsufficientScope",
    "InvalidToken",
    "MalformedCredentials",
    "NoCredentials",
    "ProofkeyError",
    "Refusal",
    "TrustedIssuer",
    "Unavailable",
    "Verifier",
    "build_refusal",
    "check_scope",
    "read_credentials",
]
