"""Starlette: Login and Server, endpoints, pages, strict forms, cookies."""
