"""The report on a token says what the validator says, and shows every fault at once."""

import json
from typing import Any

import pytest

from proofkey.errors import InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import TokenKind, build_access_token_claims, read_access_token
from proofkey.protocol.jose import generate_signing_key
from proofkey.protocol.jws import verify_compact
from proofkey.protocol.key_set import KeySet
from proofkey.protocol.signature import ALGORITHM_NAMES
from proofkey.protocol.text import Instant, encode_base64url
from proofkey.providers import dialect_named
from proofkey.runtime.token_report import CHECKS, Expected, TokenReport, remedy_of, report_token
from proofkey.testing.personas import PERSONAS
from proofkey.testing.tokens import TokenMaker, key_set_of

NOW = Instant(1_800_000_000)
KEY = generate_signing_key("ES256", "k1")
STRANGER = generate_signing_key("ES256", "k1")
KEYS = KeySet.from_document(json.dumps({"keys": [KEY.public_jwk]}).encode())
EXPECTED = Expected(issuer="https://op.test", audience=frozenset({"https://api.test"}), now=NOW)


def claims(**changed: Any) -> dict[str, Any]:
    made = build_access_token_claims(
        issuer="https://op.test",
        sub="u1",
        client_id="web",
        audience=("https://api.test",),
        scope=["orders:read"],
        now=Instant(NOW - 60),
        lifetime=900,
        jti="j1",
    )
    return {name: value for name, value in (made | changed).items() if value is not None}


def token(typ: str = "at+jwt", **changed: Any) -> str:
    return KEY.sign(typ, claims(**changed))


def part(document: object) -> str:
    return encode_base64url(document if isinstance(document, bytes) else json.dumps(document).encode())


def test_a_good_token_passes_every_check_and_is_given():
    report = report_token(token(), KEYS, EXPECTED)
    assert [check.name for check in report.checks] == list(CHECKS)
    assert {check.result for check in report.checks} == {"ok"}
    assert report.kind is TokenKind.ACCESS_TOKEN
    assert report.verified
    assert report.token is not None
    assert report.token.scope == ("orders:read",)


FAULTS: dict[str, tuple[str, str]] = {
    "too large": ("form", "x" * 17000),
    "opaque": ("form", "opaque"),
    "four parts": ("form", "a.b.c.d"),
    "encrypted": ("form", "a.b.c.d.e"),
    "padding": ("encoding", f"{token()}="),
    "no json": ("encoding", f"{part(b'[]')}.{part({})}.AAAA"),
    "crit": ("critical", f"{part({'alg': 'ES256', 'kid': 'k1', 'crit': ['x']})}.{part({})}.AAAA"),
    "alg none": ("algorithm", f"{part({'alg': 'none', 'kid': 'k1'})}.{part({})}.AAAA"),
    "unknown kid": ("key", f"{part({'alg': 'ES256', 'kid': 'k9'})}.{part({})}.AAAA"),
    "forged": ("signature", STRANGER.sign("at+jwt", claims())),
    "typ": ("type", token("JWT")),
    "iss": ("issuer", token(iss="https://evil.test")),
    "no iss": ("issuer", token(iss=None)),
    "aud": ("audience", token(aud="https://other.test")),
    "aud type": ("audience", token(aud=[1])),
    "expired": ("time", token(exp=NOW - 11)),
    "exp type": ("time", token(exp="soon")),
    "future": ("time", token(iat=NOW + 100)),
    "not before": ("time", token(nbf=NOW + 100)),
    "bound": ("binding", token(cnf={"jkt": "x"})),
    "no sub": ("claims", token(sub=None)),
    "scope type": ("claims", token(scope=["a"])),
}


def validate(text: str) -> None:
    """What an API does."""
    jws = verify_compact(text, KEYS, ALGORITHM_NAMES)
    read_access_token(jws, issuer="https://op.test", audience=frozenset({"https://api.test"}), now=NOW)


@pytest.mark.parametrize("name", FAULTS)
def test_the_check_that_the_validator_fails_is_the_first_that_fails(name: str):
    check, text = FAULTS[name]
    with pytest.raises(InvalidToken) as caught:
        validate(text)
    report = report_token(text, KEYS, EXPECTED)
    assert report.failed[0].name == check
    assert report.failed[0].finding is caught.value.finding
    assert report.token is None
    before = report.checks[: CHECKS.index(check)]
    assert {one.result for one in before} <= {"ok"}


def test_every_fault_of_the_claims_is_shown_at_once():
    text = token("JWT", iss="https://evil.test", aud="x", exp=NOW - 100, cnf={}, sub=None)
    report = report_token(text, KEYS, EXPECTED)
    assert [check.name for check in report.failed] == ["type", "issuer", "audience", "time", "binding", "claims"]


def test_nothing_after_a_bad_signature_is_attempted():
    report = report_token(STRANGER.sign("at+jwt", claims()), KEYS, EXPECTED)
    after = report.checks[CHECKS.index("signature") + 1 :]
    assert {check.result for check in after} == {"not attempted"}
    assert not report.verified


def test_what_is_not_expected_is_not_attempted_and_the_token_is_not_given():
    report = report_token(token(), KEYS, Expected(now=NOW))
    missing = [check.name for check in report.checks if check.result == "not attempted"]
    assert missing == ["issuer", "audience"]
    assert not report.failed
    assert report.token is None


def test_without_keys_only_the_form_is_checked():
    report = report_token(token(), None, EXPECTED)
    assert [check.name for check in report.checks if check.result == "ok"] == ["form", "encoding"]
    assert not report.verified
    assert report.token is None
    assert report.claims == claims()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (KEY.sign("JWT", {"iss": "https://op.test", "sub": "u", "aud": "web", "nonce": "n"}), TokenKind.ID_TOKEN),
        ("opaque", TokenKind.OPAQUE),
        ("", TokenKind.OPAQUE),
        ("..", TokenKind.DAMAGED),
    ],
)
def test_the_kind_is_told_whatever_the_checks_say(text: str, kind: TokenKind):
    for keys in (KEYS, None):
        report = report_token(text, keys, EXPECTED)
        assert report.kind is kind
        assert report.failed or keys is None


def test_every_finding_of_the_validator_belongs_to_a_check():
    report = report_token(FAULTS["unknown kid"][1], KEYS, EXPECTED)
    assert report.failed[0].finding is Finding.TOKEN_KEY_UNKNOWN


ENTRA = TokenMaker.of(PERSONAS["entra"])
OTHER_TENANT = "11111111-2222-4333-8444-555555555555"


def report_of_entra(text: str, audience: str = "https://api.test") -> TokenReport:
    expected = Expected(
        issuer=ENTRA.persona.dialect.token_issuers(ENTRA.issuer, ()),
        audience=frozenset({audience}),
        now=ENTRA.now,
        dialect=ENTRA.persona.dialect,
    )
    return report_token(text, key_set_of(ENTRA.key), expected)


def test_a_token_is_held_to_the_rules_of_its_dialect():
    report = report_of_entra(ENTRA.access_token())
    assert not report.failed
    assert report.token is not None
    assert report.dialect.name == "entra"
    strict = report_token(ENTRA.access_token(), key_set_of(ENTRA.key), Expected(now=ENTRA.now))
    assert [check.name for check in strict.failed] == ["type", "claims"]


ENTRA_FAULTS: dict[str, tuple[str, str, list[str]]] = {
    "ID token": (ENTRA.id_token(aud="https://api.test"), "kind", ["kind", "claims"]),
    "another tenant": (
        ENTRA.access_token(
            iss=f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0", tid=OTHER_TENANT, exp=ENTRA.now - 60
        ),
        "issuer",
        ["issuer", "time"],
    ),
    "tid of another tenant": (ENTRA.access_token(tid=OTHER_TENANT), "issuer", ["issuer"]),
    "no scope": (ENTRA.access_token(scp=None, aud="x"), "kind", ["kind", "audience"]),
    "no tid": (ENTRA.access_token(tid=None, aud="x"), "kind", ["kind", "audience", "claims"]),
}


@pytest.mark.parametrize(("text", "first", "failed"), ENTRA_FAULTS.values(), ids=ENTRA_FAULTS.keys())
def test_the_test_of_the_kind_is_a_check_of_its_own(text: str, first: str, failed: list[str]):
    report = report_of_entra(text)
    assert report.failed[0].name == first
    assert [check.name for check in report.failed] == failed
    assert report.token is None


def test_the_cause_and_the_remedy_are_the_dialects():
    foreign = ENTRA.access_token(iss=f"https://sts.windows.net/{OTHER_TENANT}/", tid=OTHER_TENANT)
    (check,) = report_of_entra(foreign).failed
    assert check.finding is Finding.TOKEN_TENANT
    assert "tenants" in remedy_of(check, ENTRA.persona.dialect)
    graph = report_of_entra(ENTRA.access_token(aud="00000003-0000-0000-c000-000000000000"))
    assert graph.kind_finding is Finding.TOKEN_IS_GRAPH
    assert [check.finding for check in graph.failed] == [Finding.TOKEN_IS_GRAPH]


def test_an_opaque_token_is_named_in_the_words_of_the_dialect():
    auth0 = dialect_named("auth0")
    report = report_token("2YotnFZFEjr1zCsicMWpAA", None, Expected(now=NOW, dialect=auth0))
    assert report.kind_finding is Finding.TOKEN_IS_AUTH0_OPAQUE
    assert [check.finding for check in report.failed] == [Finding.TOKEN_IS_AUTH0_OPAQUE]
    assert report_token("gho_x", KEYS, EXPECTED).failed[0].finding is Finding.TOKEN_IS_GITHUB


def test_the_checks_go_on_although_a_login_only_dialect_takes_no_type():
    report = report_token(
        token(exp=NOW - 100), KEYS, Expected(issuer="https://op.test", now=NOW, dialect=dialect_named("github"))
    )
    assert [check.name for check in report.failed] == ["type", "time"]
