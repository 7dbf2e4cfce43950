"""Which spellings of an address get no token."""

import pytest

from proofkey.errors import ProofkeyError
from proofkey.streamlit.allowed import AllowedApis

APIS = AllowedApis(["https://api.test/v1", "http://127.0.0.1:8000"])


@pytest.mark.parametrize(
    "url",
    ["https://api.test/v1", "https://api.test/v1/", "https://API.test:443/v1/orders", "http://127.0.0.1:8000/x"],
)
def test_the_token_is_for(url: str) -> None:
    APIS.check(url)


@pytest.mark.spec("10017-6.1.3.6-a")
@pytest.mark.parametrize(
    "url",
    [
        "https://api.test", "https://api.test/v2", "https://api.test/v12", "https://api.test/V1",
        "https://api.test/v1/../v2", "https://api.test/v1/%2e%2e/v2", "https://api.test/v1/..%2fv2",
        "https://api.test/v1/..;/v2", "https://api.test//v1", "https://api.test/v1\\..\\v2", "https://api.test:444/v1",
        "https://api.test@evil.test/v1", "https://ann@api.test/v1", "https://api.test.evil.test/v1",
        "https://api.test./v1", "https://api.test%2eevil.test/v1", "http://api.test/v1", "//api.test/v1", "/v1",
        "https://[::1]/v1", "http://127.0.0.1:8001", "http://127.1:8000", "http://localhost:8000", "",
        "javascript:x", "https://api.test/v1#x", "https://api.test/v1 ", "https://api.test\t/v1",
    ],
)  # fmt: skip
def test_the_token_is_not_for(url: str) -> None:
    with pytest.raises(ProofkeyError) as refused:
        APIS.check(url)
    assert "ann" not in str(refused.value)
