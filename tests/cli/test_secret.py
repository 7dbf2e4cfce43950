"""`proofkey secret`."""

import json
import tomllib

import pytest

from proofkey.protocol.secret_strength import check_secret_strength
from proofkey.protocol.text import Secret, decode_base64url
from tests.cli.conftest import RunCli


@pytest.mark.spec("O21-7.7-a")
def test_a_secret_is_256_bits_alone_on_stdout_and_never_the_same(cli: RunCli):
    first, second = cli("secret"), cli("secret")
    assert (first.status, first.err) == (0, "")
    assert len(decode_base64url(first.out.removesuffix("\n"))) == 32
    assert first.out != second.out
    check_secret_strength(Secret(first.out.strip()), key="any")


def test_each_format_holds_256_bits(cli: RunCli):
    assert len(bytes.fromhex(cli("secret", "--format", "hex").out)) == 32
    name, _, value = cli("secret", "--format", "env").out.strip().partition("=")
    assert name == "PROOFKEY_SERVER_MASTER_KEY"
    assert len(decode_base64url(value)) == 32
    toml = tomllib.loads(cli("secret", "--format", "toml").out)
    assert len(decode_base64url(toml["master_key"])) == 32


@pytest.mark.parametrize(
    ("count", "status"), [("31", 2), ("32", 0), ("64", 0), ("1024", 0), ("1025", 2), ("-1", 2)]
)
def test_it_may_be_longer_but_not_shorter(cli: RunCli, count: str, status: int):
    ran = cli("secret", "--bytes", count)
    assert ran.status == status
    if status == 0:
        assert len(decode_base64url(ran.out.strip())) == int(count)


@pytest.mark.parametrize("format_", ["base64url", "hex"])
def test_json_says_what_it_is(cli: RunCli, format_: str):
    document = json.loads(cli("secret", "--json", "--format", format_).out)
    assert document.keys() == {"secret", "bytes", "format"}
    assert (document["bytes"], document["format"]) == (32, format_)
