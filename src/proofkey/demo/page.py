"""The demo's Streamlit page: everything on it comes from the API, by the signed-in person's token."""

import os

import streamlit as st

from proofkey.streamlit import auth

API_URL = os.environ["PROOFKEY_LOGIN_API_URL"]

st.set_page_config(page_title="Orders", page_icon="🔑", layout="centered")
auth.require(scopes=["orders:read"])
api = auth.api(API_URL)


def show_orders() -> None:
    answer = api.get("/orders")
    if answer.status_code != 200:
        st.error(f"The API refused the orders ({answer.status_code}).")
        return
    orders = answer.json()
    left, right = st.columns(2)
    left.metric("Orders", len(orders))
    right.metric("Total", f"{sum(order['total'] for order in orders):,.2f} €")
    st.table(  # pyright: ignore[reportUnknownMemberType] - of Streamlit's own types
        [
            {
                "Order": str(order["id"]),
                "Item": order["item"],
                "Quantity": order["quantity"],
                "Customer": order["customer"],
                "Total": f"{order['total']:,.2f} €",
            }
            for order in orders
        ]
    )


def show_report() -> None:
    st.subheader("Admin report")
    if not st.button("Open the report", key="open-report"):
        st.caption("For the role admin. The API decides, not this page.")
        return
    answer = api.get("/report")
    if answer.status_code == 200:
        report = answer.json()
        st.success(
            f"{report['orders']} orders worth {report['total']:,.2f} €; best customer: {report['best_customer']}."
        )
        st.bar_chart(report["by_customer"], horizontal=True)  # pyright: ignore[reportUnknownMemberType]
    elif answer.status_code == 403:
        mine = ", ".join(auth.user.roles) or "no role"
        st.error(f"Refused by the API (403): the report needs the role admin; {auth.user.name} has {mine}.")
    else:
        st.error(f"The API answered {answer.status_code}.")


def show_token() -> None:
    info = auth.token_info()
    with st.sidebar:
        st.markdown(f"### {auth.user.name}")
        st.caption(", ".join(auth.user.roles) or "no roles")
        st.metric("Access token", f"{info.minutes_left} min left")
        st.button("Refresh the view", key="rerun", width="stretch")
        st.button("Log out", key="logout", on_click=auth.logout, width="stretch")
    with st.expander("Token inspector"):
        st.caption(
            "The claims of the access token that this page sends to the API. The token itself stays on the server."
        )
        st.json(dict(info.claims))


st.title("Orders")
show_orders()
show_report()
show_token()
