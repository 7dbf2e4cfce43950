"""The switches of `ScriptedProvider`: everything that a provider can get wrong, or do on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proofkey.protocol.exchange import Answer

Changes = Mapping[str, Any]
"""Members to replace; None takes a member out."""


@dataclass(slots=True)
class ProviderFaults:
    """What the provider does wrong. Everything off: it is honest.

    `overrides` answers an endpoint (discovery, jwks, token, userinfo, par) with a fixed answer; `down` holds
    endpoints that do not answer at all; `delay` is in seconds, before each answer.
    """

    metadata: Changes = field(default_factory=dict[str, Any])
    authorization_response: Changes = field(default_factory=dict[str, Any])
    repeat_parameter: str | None = None
    id_token_claims: Changes = field(default_factory=dict[str, Any])
    id_token_header: Changes = field(default_factory=dict[str, Any])
    id_token_unsigned: bool = False
    id_token_hmac: bool = False
    id_token_foreign_key: bool = False
    id_token_replayed: str | None = None
    userinfo: Changes = field(default_factory=dict[str, Any])
    userinfo_signed: bool = False
    """The UserInfo answer is a JWT, spoilt as ID tokens are by `id_token_unsigned`, `…_hmac`, `…_foreign_key` and
    `…_header`."""
    pushed: Changes = field(default_factory=dict[str, Any])
    """Of the answer to a pushed authorization request."""
    token_response: Changes = field(default_factory=dict[str, Any])
    refresh_error: tuple[int, str] | None = None
    refresh_id_token_claims: Changes = field(default_factory=dict[str, Any])
    refresh_without_successor: bool = False
    code_reusable: bool = False
    overrides: dict[str, Answer] = field(default_factory=dict[str, Answer])
    down: set[str] = field(default_factory=set[str])
    delay: float = 0.0
