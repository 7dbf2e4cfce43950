"""What the person sees: data that only the API can give."""

import streamlit as st

from proofkey.streamlit import auth

auth.require(scopes=["orders:read"])
st.title(f"Hello {auth.user.name}")
st.dataframe(auth.api("https://api.example.com").get("/orders").json())
st.button("Log out", on_click=auth.logout)
