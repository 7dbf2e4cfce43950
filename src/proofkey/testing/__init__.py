"""Aids for tests: a clock, an issuer, tokens, a login. Only testing.plugin imports pytest."""
