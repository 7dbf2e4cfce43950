"""Streamlit: a guard around the app, and what a page may ask.

app = protect("page.py", login=Login(...))        # app.py, for `uvicorn app:app`
auth.require(scopes=["orders:read"])              # page.py
"""

from proofkey.errors import missing_extra

try:
    import authlib as _authlib  # st.login and st.logout refuse to work without it
    import streamlit as _streamlit
except ModuleNotFoundError as error:
    raise missing_extra("streamlit", error.name) from None

from proofkey.streamlit.page_auth import Auth, TokenInfo, User, auth
from proofkey.streamlit.protect import protect, protection
from proofkey.web.login import Login

__all__ = ["Auth", "Login", "TokenInfo", "User", "auth", "protect", "protection"]

del _authlib, _streamlit
