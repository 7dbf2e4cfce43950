"""How a page sends its browser elsewhere on this origin."""

from collections.abc import Callable

from streamlit.runtime.scriptrunner import get_script_run_ctx

from proofkey.findings import Finding
from proofkey.runtime.events import emit
from proofkey.streamlit.frames import redirect_message


def in_page() -> bool:
    """Whether this thread runs a page."""
    return get_script_run_ctx(suppress_warning=True) is not None


def leave(url: str, *, otherwise: Callable[[], None]) -> None:
    """Sends the message that `st.login` sends, with our address; `otherwise` is the public way, without it."""
    context = get_script_run_ctx(suppress_warning=True)
    try:
        if context is not None:
            context.enqueue(redirect_message(url))
    except AttributeError:
        emit("streamlit.redirect", level="warning", finding=Finding.STREAMLIT_FORMAT)
        otherwise()
