"""Absolute URIs: what has no scheme, and what hides between address and port."""

import pytest

from proofkey.protocol.uri import split_uri


@pytest.mark.spec("X-redir-a")
@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("1a://rp.test/cb", "not absolute"),
        ("://rp.test/cb", "not absolute"),
        ("//rp.test/cb", "not absolute"),
        ("https://[::1]x:80/cb", "between address and port"),
        ("https://[::1]x80/cb", "between address and port"),
        ("https://[::1]80/cb", "between address and port"),
        ("https://ann@rp.test/cb", "user information"),
        ("https://r%70.test/cb", "an escape in the authority"),
    ],
)
def test_a_uri_that_can_be_read_in_two_ways_is_refused(uri: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        split_uri(uri)
    assert split_uri("https://[::1]:80/cb").port == "80"
