"""A page for AppTest."""

import streamlit as st

from proofkey.errors import NotSignedIn
from proofkey.streamlit import auth

st.write(f"signed in: {auth.is_signed_in}")
try:
    st.write(f"user: {auth.user.sub}")
except NotSignedIn as error:
    st.write(f"nobody: {error.finding.id}")
st.write(f"may write: {auth.has(scopes=['orders:write'])} admin: {auth.has(roles=['admin'])}")
auth.require(scopes=["orders:read"])
st.write(f"hello {auth.user.name} <{auth.user.email}> {auth.user.claims.get('department')}")
info = auth.token_info()
st.write(f"token of {info.claims.get('sub')} for {info.minutes_left} min: {info.scopes}")
st.write(f"shown by accident: {auth.access_token()}")
if st.button("Report"):
    auth.require(roles=["admin", "auditor"])
    st.write("the report")
st.button("Log out", on_click=auth.logout)
