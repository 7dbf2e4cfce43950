"""What the profile `fapi2` (FAPI 2.0 Security Profile and Message Signing) makes of the server's choices."""

from typing import Final, Literal

Profile = Literal["standard", "fapi2"]
FAPI_ALGORITHMS: Final = ("ES256", "PS256", "Ed25519", "EdDSA")
"""FAPI 2.0 §5.4.1. EdDSA is the older name, of which Ed25519 only is taken."""
ALGORITHMS: Final = ("ES256", "PS256", "Ed25519", "EdDSA", "RS256")
"""What clients may sign with in the standard profile, and what can be asked of the server."""
FAPI_DEFAULTS: Final = {
    "id_token_signed_response_alg": "ES256",
    "authorization_signed_response_alg": "ES256",
}
"""Members of a client's own document whose defaults of elsewhere are RS256 (OIDC Registration §2, JARM §3)."""
LONGEST_CODE: Final = 60
"""Seconds (FAPI 2.0 §5.3.2.1 no. 11)."""
FAPI_FEATURES: Final = frozenset({"par", "jar", "jarm"})
"""What is on where nothing is written (FAPI 2.0 Message Signing §5.3, §5.4)."""
