"""A web app that signs people in and calls the API for them: `uvicorn web:app --port 8080`."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI

from proofkey.fastapi import Login, Session

login = Login(
    issuer="http://localhost:9000",
    client_id="web",
    client_secret="Kx3m9Q_vT7bLw2ZrN8sYd5HfJc1Pg6Ua-example",
    public_url="http://127.0.0.1:8080",
    audience="https://api.example.com",
    scope="openid profile offline_access orders:read",
)
app = FastAPI()
login.mount(app)


@app.get("/me")
async def me(session: Annotated[Session, Depends(login.user)]) -> dict[str, str]:
    """Sends a browser to sign in first; gives 401 to a program."""
    return {"name": session.name}


@app.get("/orders")
async def orders(session: Annotated[Session, Depends(login.user)]) -> Any:  # noqa: ANN401 - whatever the API says
    """A fresh access token goes along; the browser never sees it."""
    async with await login.api(session, "https://api.example.com") as client:
        return (await client.get("/orders")).json()
