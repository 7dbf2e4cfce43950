"""Protect a FastAPI API, and log users in."""
