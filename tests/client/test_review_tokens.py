"""A provider's token goes into a header line: nothing gets in that could not stand there."""

import json

import pytest

from proofkey.client.tokens import read_token_answer
from proofkey.errors import LoginFailed
from proofkey.findings import Finding
from proofkey.protocol.exchange import Answer


@pytest.mark.spec("6749-5.1-c")
@pytest.mark.parametrize("member", ["access_token", "refresh_token", "id_token"])
@pytest.mark.parametrize("value", ["canary\r\nX-Evil: 1", "canary\x00", "canaryé", "canary\x7f", ""], ids=ascii)
def test_a_token_that_fits_no_header_is_refused_and_not_shown(member: str, value: str) -> None:
    document = {"access_token": "a", "token_type": "Bearer", member: value}
    with pytest.raises(LoginFailed) as refused:
        read_token_answer(Answer(200, {}, json.dumps(document).encode()))
    assert refused.value.finding is Finding.LOGIN_RESPONSE_MALFORMED
    assert "canary" not in str(refused.value)
