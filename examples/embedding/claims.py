"""Claims of your own in tokens and at UserInfo: `uvicorn claims:app --port 9000`."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from proofkey.web import ClaimsQuestion, Server, Settings

DEPARTMENTS = {"ann": "billing", "bob": "press"}


async def tell_claims(question: ClaimsQuestion) -> dict[str, Any]:
    """The department of whoever signed in, for APIs and for the client; nothing in a client's own tokens."""
    if question.person is None or question.place == "userinfo":
        return {}
    return {"department": DEPARTMENTS.get(question.person.username)}


app = FastAPI()
Server(Settings.load(Path(__file__).with_name("provider.toml")), claims=tell_claims).mount(app, "/idp")
