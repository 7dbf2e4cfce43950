"""The few messages of Streamlit's websocket that the guard must understand, and the one that it writes."""

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


def redirect_message(url: str) -> ForwardMsg:
    """Tells the page in the browser to go to `url`: what `st.login` sends."""
    message = ForwardMsg()
    message.auth_redirect.url = url
    return message


def redirect_frame(url: str) -> bytes:
    """The same as the bytes of a websocket frame."""
    return bytes(redirect_message(url).SerializeToString())


def redirect_of(frame: bytes) -> str | None:
    """Where that frame sends the browser; None for every other message."""
    message = _read(frame)
    if message is None or message.WhichOneof("type") != "auth_redirect":
        return None
    return message.auth_redirect.url


def streamlit_session_of(frame: bytes) -> str | None:
    """The id that Streamlit gave the page, when this is the message that says so."""
    message = _read(frame)
    if message is None or message.WhichOneof("type") != "new_session":
        return None
    return message.new_session.initialize.session_id or None


def is_rerun(frame: bytes) -> bool:
    """Whether the browser asks for a run that no timer started."""
    message = BackMsg()
    try:
        message.ParseFromString(frame)
    except DecodeError:
        return False
    return message.WhichOneof("type") == "rerun_script" and not message.rerun_script.is_auto_rerun


def _read(frame: bytes) -> ForwardMsg | None:
    message = ForwardMsg()
    try:
        message.ParseFromString(frame)
    except DecodeError:
        return None
    return message
