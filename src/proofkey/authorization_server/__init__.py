"""The authorization server and OpenID Provider as a role: rules over stores, no framework."""
