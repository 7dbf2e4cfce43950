"""The page of the servers under test: shows what it knows, and does what its buttons say."""

import os
from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from proofkey.errors import ProofkeyError
from proofkey.streamlit import auth

API_URL = os.environ["TEST_API_URL"]

auth.require()
user = auth.user
st.session_state.setdefault("count", 0)
if st.button("Count"):
    st.session_state["count"] += 1
st.text_input("Note", key="note")

st.write(f"name={user.name} sub={user.sub} roles={list(user.roles)} scopes={list(user.scopes)}")
st.write(f"count={st.session_state['count']} note={st.session_state['note']}")
st.write(
    f"st.user={sorted(st.user.to_dict())} logged_in={st.user.is_logged_in!r} native={type(st.user.roles).__name__}"
)
st.write(f"cookies={sorted(st.context.cookies)}")
st.write(f"headers={sorted(name for name in st.context.headers if name.lower().startswith('x-'))}")
st.write(f"minutes={auth.token_info().minutes_left} claims={sorted(auth.token_info().claims)}")
st.write(f"leak={auth.access_token()}")
st.download_button("Download", "a,b\n1,2\n", "orders.csv", "text/csv")
st.file_uploader("File")
st.button("Log out", on_click=auth.logout)
st.button("Log out plainly", on_click=st.logout)
st.button("Log in again", on_click=auth.login, args=("/elsewhere?x=1",))

if st.button("Call"):
    answer = auth.api(API_URL).get("/echo")
    st.write(f"api={answer.status_code} {answer.text}")
if st.button("Call foreign"):
    try:
        auth.api("https://evil.test").get("/")
    except ProofkeyError as error:
        st.write(f"refused={error.finding.id}")
if st.button("Race"):
    with auth.api(API_URL) as api, ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: api.get("/echo").status_code, range(20)))
    st.write(f"race={statuses.count(200)}")
if st.button("Admin"):
    auth.require(roles=["admin"], scopes=["orders:write"])
    st.write("secret report")
if st.button("Refresh"):
    st.write(f"minutes-now={auth.token_info().minutes_left}")
