"""An MCP server whose tools ask for scopes: `uvicorn mcp_server:app --port 8000`."""

from fastapi import FastAPI
from mcp.server.mcpserver import Context, MCPServer

from proofkey.fastapi import Protect
from proofkey.fastapi.mcp import ProtectedMcp, token_of

api = Protect(
    issuer="http://localhost:9000",
    audience="http://localhost:8000/mcp",  # the address that MCP clients are given
    scopes={"orders:read": "Read your orders", "orders:write": "Change your orders"},
)
server = MCPServer("Orders")


@server.tool()
async def list_orders(context: Context) -> list[str]:
    """The orders of whoever is signed in."""
    return [f"an order of {token_of(context).sub}"]


@server.tool()
async def cancel_order(number: int, context: Context) -> str:
    """Cancels one order."""
    return f"order {number} of {token_of(context).sub} is cancelled"


protected = ProtectedMcp(
    api, server, scopes=["orders:read"], tools={"list_orders": [], "cancel_order": ["orders:write"]}
)
app = FastAPI(lifespan=api.lifespan_with(protected.lifespan))
protected.mount(app)
