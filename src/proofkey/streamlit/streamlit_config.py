"""Settings of Streamlit that would undo the guard."""

from streamlit import config

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding
from proofkey.runtime.events import emit
from proofkey.streamlit.identity import configured_trusted_headers
from proofkey.streamlit.scrub import OWN_HEADER


def check_streamlit_config() -> None:
    """What is only unwise is logged.

    Raises: ConfigurationError.
    """
    if not config.get_option("server.enableCORS") or not config.get_option("server.enableXsrfProtection"):
        raise ConfigurationError(Finding.STREAMLIT_PROTECTION_OFF)
    if any(not name.lower().startswith(OWN_HEADER) for name in configured_trusted_headers()):
        raise ConfigurationError(Finding.STREAMLIT_TWO_IDENTITIES)
    if _option("server.enableAgentApi"):
        emit("streamlit.config", level="warning", finding=Finding.STREAMLIT_AGENT_API)


def _option(name: str) -> object:
    """None where this Streamlit does not have the option."""
    try:
        return config.get_option(name)
    except RuntimeError:
        return None
