"""The client (relying party, backend for frontend) as a role: rules over stores, no framework."""
