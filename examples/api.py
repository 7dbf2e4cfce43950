"""An API that takes tokens of one issuer: `uvicorn api:app`."""

from typing import Annotated

from fastapi import Depends, FastAPI, Security

from proofkey.fastapi import AccessToken, Protect

api = Protect(issuer="http://localhost:9000", audience="https://api.example.com")
app = FastAPI(lifespan=api.lifespan)


@app.get("/orders")
async def orders(token: Annotated[AccessToken, Security(api, scopes=["orders:read"])]) -> list[str]:
    """For every user whose token has the scope."""
    return [f"an order of {token.sub}"]


@app.get("/report", dependencies=[Depends(api.role("admin"))])
async def report() -> dict[str, int]:
    """For users with the role."""
    return {"orders": 1}
