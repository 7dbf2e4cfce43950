"""`proofkey jwt`: verifies by default, says the kind, names the failing check."""

import dataclasses
import json
import threading
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from proofkey.protocol.access_token import build_access_token_claims
from proofkey.protocol.jose import generate_signing_key
from proofkey.runtime.clock import SystemClock
from proofkey.runtime.portal import Portal
from proofkey.testing.persona_claims import TENANT
from proofkey.testing.personas import PERSONAS
from proofkey.testing.tokens import TokenMaker, key_set_document
from tests.cli.conftest import Ran, RunCli

ISSUER, AUDIENCE = "https://op.test", "https://api.test"
KEY = generate_signing_key("ES256", "k1")
STRANGER = generate_signing_key("ES256", "k1")
MARK = "tenant-acme-7"


def token(key: Any = KEY, typ: str = "at+jwt", issuer: str = ISSUER, **changed: Any) -> str:
    claims = build_access_token_claims(
        issuer=issuer,
        sub="u1",
        client_id="web",
        audience=(AUDIENCE,),
        scope=["orders:read"],
        now=SystemClock().now(),
        lifetime=900,
        jti="j1",
        extra={"tenant": MARK},
    )
    signed: str = key.sign(typ, {name: value for name, value in (claims | changed).items() if value is not None})
    return signed


@pytest.fixture
def jwks(tmp_path: Path) -> str:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [KEY.public_jwk]}))
    return str(file)


def checks(ran: Ran) -> dict[str, str]:
    """The result of each check in the JSON report."""
    return {check["check"]: check["result"] for check in json.loads(ran.out)["checks"]}


@pytest.mark.spec("CLI-jwt")
def test_a_good_token_is_verified_and_shown(cli: RunCli, jwks: str):
    ran = cli("jwt", "inspect", "--jwks", jwks, "--issuer", ISSUER, "--audience", AUDIENCE, stdin=token())
    assert (ran.status, ran.err) == (0, "")
    assert " kind       access token\n" in ran.out
    assert " header     alg ES256 · kid k1 · typ at+jwt\n" in ran.out
    assert MARK in ran.out
    assert "signature ok" in ran.out
    assert "FAIL" not in ran.out
    assert "UNVERIFIED" not in ran.out
    assert "●" in ran.out
    assert "left" in ran.out
    assert "this computer" in ran.out
    assert "\x1b" not in ran.out  # not a terminal


@pytest.mark.spec("CLI-jwt")
def test_without_keys_the_kind_is_told_and_the_claims_are_not(cli: RunCli):
    ran = cli("jwt", "inspect", stdin=token())
    assert (ran.status, ran.out) == (2, "")
    assert "access token" in ran.err
    assert "--unverified" in ran.err
    assert MARK not in ran.err


@pytest.mark.spec("CLI-jwt")
def test_unverified_claims_are_shown_only_when_asked_for_and_loudly(cli: RunCli):
    ran = cli("jwt", "inspect", "--unverified", stdin=token(STRANGER))
    assert ran.status == 0
    assert MARK in ran.out
    assert ran.out.count("UNVERIFIED") == 2
    assert "signature –" in ran.out
    document = json.loads(cli("jwt", "inspect", "--unverified", "--json", stdin=token()).out)
    assert (document["verified"], document["valid"]) == (False, False)
    assert document["claims"]["tenant"] == MARK


@pytest.mark.spec("CLI-jwt")
def test_a_bad_signature_is_status_1_and_hides_the_claims(cli: RunCli, jwks: str):
    ran = cli("jwt", "inspect", "--jwks", jwks, stdin=token(STRANGER))
    assert ran.status == 1
    assert "signature FAIL" in ran.out
    assert "TOK-27" in ran.out
    assert MARK not in ran.out
    document = json.loads(cli("jwt", "inspect", "--jwks", jwks, "--json", stdin=token(STRANGER)).out)
    assert document["claims"] is None
    ran = cli("jwt", "inspect", "--jwks", jwks, "--unverified", stdin=token(STRANGER))
    assert ran.status == 1
    assert MARK in ran.out
    assert "UNVERIFIED" in ran.out


@pytest.mark.parametrize(
    ("changed", "check", "finding"),
    [
        ({"exp": 1_700_000_000, "iat": 1_699_999_000}, "time", "AT-05"),
        ({"aud": "https://other.test"}, "audience", "AUD-03"),
        ({"iss": "https://evil.test"}, "issuer", "ISS-03"),
        ({"cnf": {"jkt": "x"}}, "binding", "DPOP-10"),
        ({"sub": None}, "claims", "TOK-28"),
    ],
)
def test_the_failing_check_is_named_with_its_finding_and_fix(
    cli: RunCli, jwks: str, changed: dict[str, Any], check: str, finding: str
):
    arguments = ["--jwks", jwks, "--issuer", ISSUER, "--audience", AUDIENCE]
    ran = cli("jwt", "inspect", *arguments, stdin=token(**changed))
    assert ran.status == 1
    assert f"{check} FAIL" in ran.out
    assert f" {finding} " in ran.out
    assert f"proofkey explain {finding}" in ran.out
    ran = cli("jwt", "inspect", "--json", *arguments, stdin=token(**changed))
    assert [name for name, result in checks(ran).items() if result == "FAIL"] == [check]


@pytest.mark.parametrize(
    ("text", "kind", "finding"),
    [
        (token(typ="JWT", aud="web", nonce="n", client_id=None, scope=None), "ID token", "TOK-01"),
        ("opaque-token-0123456789", "opaque token", "TOK-04"),
        ("a.b.c", "damaged token", "TOK-21"),
    ],
)
def test_another_kind_of_token_is_named(cli: RunCli, jwks: str, text: str, kind: str, finding: str):
    ran = cli("jwt", "inspect", "--jwks", jwks, stdin=text)
    assert ran.status == 1
    assert f" kind       {kind}" in ran.out
    assert f"({finding})" in ran.out


@pytest.mark.spec("CLI-jwt")
def test_a_token_on_the_command_line_is_refused_and_not_repeated(cli: RunCli, jwks: str):
    text = token()
    ran = cli("jwt", "inspect", text, "--jwks", jwks)
    assert (ran.status, ran.out) == (2, "")
    assert "stdin" in ran.err
    assert text not in ran.err


@pytest.mark.parametrize("around", ["{}", "{}\n", "  {}\r\n", "Bearer {}", "bearer  {}\n"])
def test_white_space_and_the_scheme_are_not_part_of_the_token(cli: RunCli, jwks: str, around: str):
    assert cli("jwt", "inspect", "--jwks", jwks, stdin=around.format(token())).status == 0


def test_a_token_that_was_broken_into_lines_is_put_together(cli: RunCli, jwks: str):
    text = token()
    assert cli("jwt", "inspect", "--jwks", jwks, stdin=f"{text[:50]}\n{text[50:]}").status == 0


def test_the_token_may_be_in_a_file(cli: RunCli, jwks: str, tmp_path: Path):
    file = tmp_path / "token.txt"
    file.write_text(token())
    assert cli("jwt", "inspect", str(file), "--jwks", jwks).status == 0
    assert cli("jwt", "inspect", str(tmp_path / "none"), "--jwks", jwks).status == 2


@pytest.mark.parametrize("stdin", ["", "\n", "Bearer \n"])
def test_no_token_is_a_usage_error(cli: RunCli, jwks: str, stdin: str):
    ran = cli("jwt", "inspect", "--jwks", jwks, stdin=stdin)
    assert ran.status == 2
    assert "there is no token" in ran.err


@pytest.mark.spec("threats 2 row 23")
def test_what_a_stranger_wrote_does_not_steer_the_terminal(cli: RunCli):
    hostile: dict[str, Any] = {"x\x1b]0;owned\x07": "a\x1b[2J\nsignature ok", "deep": {"a": ["\x1b[31m"]}}
    text = token(STRANGER, **hostile)
    ran = cli("jwt", "inspect", "--unverified", stdin=text)
    assert all(character.isprintable() for character in ran.out.replace("\n", ""))
    assert "\nsignature ok" not in ran.out


@pytest.mark.parametrize("value", [1e300, -5, "soon", True, 99999999999999, None], ids=repr)
def test_times_that_no_calendar_has_break_nothing(cli: RunCli, jwks: str, value: object):
    text = token(exp=value)
    assert cli("jwt", "inspect", "--jwks", jwks, stdin=text).status in (0, 1)
    assert cli("jwt", "inspect", "--unverified", stdin=text).status == 0


def test_verify_gives_the_claims_and_nothing_else(cli: RunCli, jwks: str):
    ran = cli("jwt", "verify", "--jwks", jwks, "--issuer", ISSUER, "--audience", AUDIENCE, stdin=token())
    assert (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out)["tenant"] == MARK


@pytest.mark.parametrize("changed", [{"aud": "x"}, {"exp": 5}, {"iss": "x"}])
def test_verify_fails_with_status_1(cli: RunCli, jwks: str, changed: dict[str, Any]):
    arguments = ["--jwks", jwks, "--issuer", ISSUER, "--audience", AUDIENCE]
    ran = cli("jwt", "verify", *arguments, stdin=token(**changed))
    assert ran.status == 1
    assert "FAIL" in ran.out
    document = json.loads(cli("jwt", "verify", "--json", *arguments, stdin=token(**changed)).out)
    assert (document["verified"], document["valid"]) == (True, False)


@pytest.mark.parametrize("missing", ["--issuer", "--audience"])
def test_verify_needs_issuer_and_audience(cli: RunCli, jwks: str, missing: str):
    arguments = {"--jwks": jwks, "--issuer": ISSUER, "--audience": AUDIENCE}
    given = [part for name, value in arguments.items() if name != missing for part in (name, value)]
    ran = cli("jwt", "verify", *given, stdin=token())
    assert ran.status == 2
    assert missing in ran.err


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AAAA"}]}'])
def test_a_file_without_keys_is_one_line(cli: RunCli, tmp_path: Path, content: str):
    file = tmp_path / "jwks.json"
    file.write_text(content)
    ran = cli("jwt", "inspect", "--jwks", str(file), stdin=token())
    assert ran.status == 2
    assert ran.err.count("\n") == 1


class Provider(BaseHTTPRequestHandler):
    """Metadata and keys; its clock is 90 s ahead."""

    metadata_issuer: str | None = None

    def do_GET(self) -> None:
        issuer = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]  # HTTPServer has it
        document: dict[str, object] = {"keys": [KEY.public_jwk]}
        if "well-known" in self.path:
            document = {"issuer": self.metadata_issuer or issuer, "jwks_uri": f"{issuer}/jwks"}
        body = json.dumps(document).encode()
        self.send_response_only(200)
        self.send_header("Date", formatdate(SystemClock().now() + 90, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def provider() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
    Portal.stop_own()


def test_the_keys_are_found_by_discovery_and_both_clocks_are_shown(cli: RunCli, provider: str):
    ran = cli("jwt", "inspect", "--issuer", provider, "--audience", AUDIENCE, stdin=token(issuer=provider))
    assert (ran.status, ran.err) == (0, "")
    assert "issuer ok" in ran.out
    assert "(+90 s)" in ran.out or "(+89 s)" in ran.out


def test_the_keys_may_be_at_a_url(cli: RunCli, provider: str):
    assert cli("jwt", "inspect", "--jwks", f"{provider}/jwks", stdin=token()).status == 0


def test_a_provider_that_names_another_issuer_is_refused(
    cli: RunCli, provider: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Provider, "metadata_issuer", "https://evil.test")
    ran = cli("jwt", "inspect", "--issuer", provider, stdin=token())
    assert ran.status == 2
    assert "(ISS-01)" in ran.err


@pytest.mark.parametrize("issuer", ["http://op.test", "https://127.0.0.1:1", "nonsense", ""])
def test_an_issuer_that_cannot_be_asked_is_one_line(cli: RunCli, issuer: str):
    ran = cli("jwt", "inspect", "--issuer", issuer, stdin=token())
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.count("\n") == 1


def test_on_a_terminal_failures_are_red_and_header_and_claims_have_their_colours(
    cli: RunCli, jwks: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("proofkey.cli.output.has_colours", lambda _stream: True)
    ran = cli("jwt", "inspect", "--jwks", jwks, "--issuer", "https://x.test", stdin=token())
    assert "\x1b[35malg ES256" in ran.out
    assert f"\x1b[31m{ISSUER}\x1b[0m" in ran.out
    assert f"\x1b[34m{AUDIENCE}\x1b[0m" in ran.out
    assert f"\x1b[2m{MARK}\x1b[0m" in ran.out
    assert "issuer \x1b[31mFAIL\x1b[0m" in ran.out


ENTRA = PERSONAS["entra"]
COMMON = "https://login.microsoftonline.com/common/v2.0"


@pytest.fixture
def minted(tmp_path: Path) -> tuple[TokenMaker, str]:
    """Tokens as Entra writes them, now; and the file of their keys."""
    make = dataclasses.replace(TokenMaker.of(ENTRA), now=SystemClock().now())
    file = tmp_path / "entra.json"
    file.write_bytes(key_set_document(make.key))
    return make, str(file)


@pytest.mark.spec("CLI-jwt")
def test_the_issuer_chooses_the_dialect_and_what_it_relaxes_is_shown(cli: RunCli, minted: tuple[TokenMaker, str]):
    make, keys = minted
    arguments = ["--jwks", keys, "--issuer", ENTRA.issuer, "--audience", AUDIENCE]
    ran = cli("jwt", "inspect", *arguments, stdin=make.access_token())
    assert (ran.status, ran.err) == (0, "")
    assert " dialect    Microsoft Entra ID (entra), known from documents alone: " in ran.out
    assert " relaxes    RFC 9068 §4 typ → JWT: " in ran.out
    assert "kind ok" in ran.out
    document = json.loads(cli("jwt", "inspect", "--json", *arguments, stdin=make.access_token()).out)
    assert document["dialect"]["name"] == "entra"
    assert document["dialect"]["source"]["live"] is False
    assert document["dialect"]["relaxes"][0]["rule"] == "RFC 9068 §4 typ"


@pytest.mark.spec("CLI-jwt")
def test_the_fix_is_the_providers_setting(cli: RunCli, minted: tuple[TokenMaker, str]):
    make, keys = minted
    arguments = ["--jwks", keys, "--issuer", ENTRA.issuer, "--audience", AUDIENCE]
    graph = make.access_token(aud="00000003-0000-0000-c000-000000000000")
    ran = cli("jwt", "inspect", *arguments, stdin=graph)
    assert ran.status == 1
    assert "kind       Microsoft Graph token   This is a Microsoft Graph token" in ran.out
    assert "fix        request a scope of this API: api://<application id>/<scope>" in ran.out
    document = json.loads(cli("jwt", "inspect", "--json", *arguments, stdin=graph).out)
    assert document["kind_finding"] == "TOK-03"
    assert "api://" in next(check["fix"] for check in document["checks"] if check["check"] == "audience")


@pytest.mark.spec("CLI-jwt")
def test_a_dialect_may_be_named(cli: RunCli, minted: tuple[TokenMaker, str]):
    make, keys = minted
    arguments = ["--jwks", keys, "--issuer", ENTRA.issuer, "--audience", AUDIENCE]
    strict = cli("jwt", "verify", *arguments, "--dialect", "rfc9068", stdin=make.access_token())
    assert strict.status == 1
    assert "type FAIL" in strict.out
    assert cli("jwt", "verify", *arguments, "--dialect", "entra", stdin=make.access_token()).status == 0
    unknown = cli("jwt", "verify", *arguments, "--dialect", "azure", stdin=make.access_token())
    assert unknown.status == 2
    assert "one of auth0, " in unknown.err


@pytest.mark.spec("CLI-jwt")
def test_tenants_are_named_or_nothing_is_compared(cli: RunCli, minted: tuple[TokenMaker, str]):
    make, keys = minted
    arguments = ["--jwks", keys, "--issuer", COMMON, "--audience", AUDIENCE]
    without = cli("jwt", "verify", *arguments, stdin=make.access_token())
    assert without.status == 2
    assert "tenants=" in without.err
    assert cli("jwt", "verify", *arguments, "--tenant", TENANT, stdin=make.access_token()).status == 0
    other = "11111111-2222-4333-8444-555555555555"
    ran = cli("jwt", "verify", *arguments, "--tenant", other, stdin=make.access_token())
    assert ran.status == 1
    assert "ISS-10" in ran.out


@pytest.mark.spec("CLI-jwt")
@pytest.mark.parametrize(
    ("text", "finding"),
    [("gho_16C7e42F292c6912E7710c838347Ae178B4a", "TOK-10"), ("ya29.a0AfH6SMBx7", "TOK-09"), ("abc", "TOK-08")],
    ids=["GitHub", "Google", "opaque at Auth0"],
)
def test_an_opaque_token_is_named_once(cli: RunCli, text: str, finding: str):
    ran = cli("jwt", "inspect", "--unverified", "--dialect", "auth0", stdin=text)
    assert ran.status == 1
    assert f"form       {finding} " in ran.out
    assert ran.out.count(" fix ") == 1


@pytest.mark.spec("CLI-jwt")
def test_a_provider_for_login_only_verifies_nothing(cli: RunCli, jwks: str):
    arguments = ["--jwks", jwks, "--issuer", "https://accounts.google.com", "--audience", AUDIENCE]
    ran = cli("jwt", "verify", *arguments, stdin=token())
    assert ran.status == 2
    assert "google_id_tokens" in ran.err
