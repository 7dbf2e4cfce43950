"""An identity provider inside your own FastAPI app: `uvicorn own_provider:app --port 9000`."""

from pathlib import Path

from fastapi import FastAPI

from proofkey.web import Server, Settings

app = FastAPI()
Server(Settings.load(Path(__file__).with_name("own_provider.toml"))).mount(app, "/idp")


@app.get("/")
async def home() -> dict[str, str]:
    """The rest of your application."""
    return {"provider": "/idp/.well-known/openid-configuration"}
