"""The demo's Streamlit page: everything on it comes from the API, by the signed-in person's token."""

import os
import re
from typing import Any

import httpx2
import streamlit as st

from proofkey.streamlit import auth

st.set_page_config(page_title="Orders", page_icon="🔑", layout="centered")
auth.require(scopes=["orders:read"])
api = auth.api(os.environ["PROOFKEY_LOGIN_API_URL"])


def plain(text: str) -> str:
    """What others have typed is no Markdown."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$&])", r"\\\1", text)


def euros(amount: float) -> str:
    return f"{amount:,.2f}\N{NO-BREAK SPACE}€"


def ask_api(path: str) -> httpx2.Response | None:
    try:
        return api.get(path)
    except httpx2.HTTPError:
        st.error("The API does not answer. Is it running?")
        return None


def show_orders() -> None:
    answer = ask_api("/orders")
    if answer is None:
        return
    if answer.status_code != 200:
        st.error(f"The API refused the orders ({answer.status_code}).")
        return
    orders = answer.json()
    with st.container(horizontal=True):
        st.metric("Orders", len(orders))
        st.metric("Total", euros(sum(order["total"] for order in orders)))
    st.table([row_of(order) for order in orders], border="horizontal")  # pyright: ignore[reportUnknownMemberType]


def row_of(order: dict[str, Any]) -> dict[str, str]:
    return {
        "Order": str(order["id"]),
        "Item": f"{order['quantity']} × {plain(order['item'])}",
        "Customer": plain(order["customer"]),
        "Total": euros(order["total"]),
    }


def show_report() -> None:
    st.subheader("Admin report")
    if not st.button("Open the report", key="open-report", type="primary"):
        st.caption("For the role admin. The API decides, not this page.")
        return
    answer = ask_api("/report")
    if answer is None:
        return
    if answer.status_code == 200:
        report = answer.json()
        best = plain(report["best_customer"])
        st.success(f"{report['orders']} orders worth {euros(report['total'])}; best customer: {best}.")
        st.bar_chart(report["by_customer"], horizontal=True)  # pyright: ignore[reportUnknownMemberType]
    elif answer.status_code == 403:
        mine = ", ".join(auth.user.roles) or "no role"
        st.error(f"Refused by the API (403): the report needs the role admin; {plain(auth.user.name)} has {mine}.")
    else:
        st.error(f"The API answered {answer.status_code}.")


@st.fragment(run_every=5)
def show_life() -> None:
    """Looks by itself every five seconds, so that one sees the token being refreshed."""
    st.metric("Access token", f"{auth.token_info().minutes_left} min left")


def show_person() -> None:
    with st.sidebar:
        st.markdown(f"### {plain(auth.user.name)}")
        st.caption(", ".join(auth.user.roles) or "no roles")
        show_life()
        st.button("Refresh the view", key="rerun", width="stretch")
        st.button("Log out", key="logout", on_click=auth.logout, width="stretch")


def show_token() -> None:
    with st.expander("Token inspector"):
        st.caption(
            "The claims of the access token that this page sends to the API. The token itself stays on the server."
        )
        st.json(dict(auth.token_info().claims))


st.title("Orders")
show_orders()
show_report()
show_token()
show_person()
