"""What is not even a scheme is malformed, and never counts as a stranger without credentials."""

import pytest

from proofkey.errors import MalformedCredentials, NoCredentials
from proofkey.resource_server.credentials import read_credentials


@pytest.mark.spec("6750-2-b", "6750-3-a")
@pytest.mark.parametrize(
    "value",
    [b"Bearer\tabc", b"Bearer\xa0abc", b"Bearer:abc", b'"Bearer" abc', b"Bearer,abc", b"\xff abc", b"B\x00 a"],
)
def test_a_header_without_a_scheme_is_malformed(value: bytes) -> None:
    with pytest.raises(MalformedCredentials):
        read_credentials([(b"authorization", value)])


@pytest.mark.parametrize("value", [b"Token abc", b"Basic", b"DPoP abc", b"x!#$%&'*+-.^_`|~ abc"])
def test_another_scheme_is_no_credential_of_ours(value: bytes) -> None:
    with pytest.raises(NoCredentials):
        read_credentials([(b"authorization", value)])
