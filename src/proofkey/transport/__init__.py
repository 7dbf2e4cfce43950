"""Outgoing HTTP, behind protocol.exchange.Transport."""
