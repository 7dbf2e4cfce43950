"""A consent policy: who is asked, who is not, and what nobody gets: `uvicorn consent:app --port 9000`."""

from pathlib import Path
from typing import Literal

from fastapi import FastAPI

from proofkey.web import ConsentQuestion, Server, Settings

OURS = {"desktop"}


def rule_consent(question: ConsentQuestion) -> Literal["grant", "deny"] | None:
    """Our own applications need not ask; addresses of guests go to nobody; everything else as ever."""
    if "guest" in question.person.roles and "email" in question.scope:
        return "deny"
    return "grant" if question.client.client_id in OURS else None


app = FastAPI()
Server(Settings.load(Path(__file__).with_name("provider.toml")), consent=rule_consent).mount(app, "/idp")
