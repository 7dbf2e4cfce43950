"""Pages of your own, with your words and colours: `uvicorn pages:app --port 9000`."""

from pathlib import Path

from fastapi import FastAPI

from proofkey.web import Server, Settings

HERE = Path(__file__).parent

app = FastAPI()
Server(Settings.load(HERE / "provider.toml"), templates=HERE / "templates").mount(app, "/idp")
