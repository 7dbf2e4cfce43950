"""The resource server as a role: credentials, challenges, scopes."""
