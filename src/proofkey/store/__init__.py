"""Stores: memory and SQL, behind the protocols of the roles."""
