"""The profile `fapi2` in the settings: what it changes where nothing is written, and what it refuses."""

from collections.abc import Iterator
from typing import Final

from proofkey.authorization_server.policy import Lifetimes
from proofkey.authorization_server.profile import FAPI_FEATURES, LONGEST_CODE
from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.settings_server import ServerSettings

_REASON: Final = "profile fapi2 forbids it"


def features_of(server: ServerSettings) -> frozenset[str]:
    """What is written, else with `fapi2` pushed and signed requests and signed answers."""
    if server.profile == "fapi2" and "features" not in server.model_fields_set:
        return FAPI_FEATURES
    return frozenset(server.features)


def lifetimes_of(server: ServerSettings) -> Lifetimes:
    """All that is written; with `fapi2` no refresh token has a second use, for none rotates."""
    values = server.lifetimes.model_dump()
    return Lifetimes(**values | ({"refresh_grace": 0} if server.profile == "fapi2" else {}))


def check_profile(server: ServerSettings) -> None:
    """FAPI 2.0 §5.3.2.1, §5.3.2.2: what is written does not contradict the profile. What a client may be is
    checked with its registration.

    Raises: ConfigurationError that names the setting.
    """
    if server.profile != "fapi2":
        return
    for key, reason in _contradictions(server):
        raise ConfigurationError(Finding.CONFIG_VALUE, key=f"server.{key}", reason=reason)


def _contradictions(server: ServerSettings) -> Iterator[tuple[str, str]]:
    lifetimes, written = server.lifetimes, server.model_fields_set
    if "par" not in features_of(server):
        yield "features", 'profile fapi2 needs "par"'
    if "require_pushed_authorization_requests" in written and not server.require_pushed_authorization_requests:
        yield "require_pushed_authorization_requests", "profile fapi2 takes pushed requests alone"
    if lifetimes.code > LONGEST_CODE:
        yield "lifetimes.code", f"profile fapi2: at most {LONGEST_CODE} seconds"
    if "refresh_grace" in lifetimes.model_fields_set and lifetimes.refresh_grace:
        yield "lifetimes.refresh_grace", "profile fapi2: 0, for no refresh token rotates"
    for key in type(server).model_fields:
        if key.startswith("allow_insecure_") and getattr(server, key):
            yield key, _REASON
