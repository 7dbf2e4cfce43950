"""OAuth 2.0 and OpenID Connect for FastAPI APIs and Streamlit apps: strict by default.

Importing the package costs the standard library only; each face is a module of its own:
`proofkey.fastapi`, `proofkey.streamlit`, `proofkey.web` (the servers), `proofkey.verifier` (any
framework or none), `proofkey.testing`.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
