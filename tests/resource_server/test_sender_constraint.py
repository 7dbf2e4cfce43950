"""RFC 9449 §7, RFC 8705 §3: the whole matrix of binding, scheme and policy."""

from itertools import product
from typing import Any

import pytest

from proofkey.errors import ConfigurationError, InvalidDpopProof, InvalidToken
from proofkey.findings import Finding
from proofkey.protocol.access_token import Confirmation
from proofkey.resource_server.credentials import Credentials, Scheme
from proofkey.resource_server.sender_constraint import (
    ALGORITHMS,
    DpopMode,
    SenderPolicy,
    build_sender_policy,
    check_certificate,
    check_key,
    read_presentation,
)

BINDINGS: dict[str, Confirmation | None] = {
    "unbound": None,
    "dpop": Confirmation(jkt="j"),
    "certificate": Confirmation(x5t_s256="c"),
    "both": Confirmation(jkt="j", x5t_s256="c"),
    "unknown": Confirmation(),
}
ACCEPTED = {  # (binding, scheme, dpop, mtls); everything else is refused
    *product(["unbound"], ["Bearer"], ["off", "optional"], [False, True]),
    *product(["dpop"], ["DPoP"], ["optional", "required"], [False, True]),
    *product(["certificate"], ["Bearer"], ["off", "optional"], [True]),
    *product(["both"], ["DPoP"], ["optional", "required"], [True]),
}
REASONS = {
    ("unbound", "DPoP", "optional"): Finding.DPOP_TOKEN_UNBOUND,
    ("unbound", "DPoP", "required"): Finding.DPOP_TOKEN_UNBOUND,
    ("unbound", "DPoP", "off"): Finding.DPOP_NOT_OFFERED,
    ("unbound", "Bearer", "required"): Finding.DPOP_TOKEN_REQUIRED,
    ("dpop", "Bearer", "off"): Finding.TOKEN_BOUND,
    ("dpop", "Bearer", "optional"): Finding.TOKEN_BOUND,
    ("dpop", "Bearer", "required"): Finding.TOKEN_BOUND,
    ("dpop", "DPoP", "off"): Finding.DPOP_NOT_OFFERED,
}
MODES: tuple[DpopMode, ...] = ("off", "optional", "required")
SCHEMES: tuple[Scheme, ...] = ("Bearer", "DPoP")


@pytest.mark.spec("9449-7.2-a", "9449-7.1-a", "8705-3-b", "V10-10.3.5", "9700-2.2.1-b")
@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("dpop", MODES)
@pytest.mark.parametrize("mtls", [False, True], ids=["no mtls", "mtls"])
def test_a_token_passes_only_where_its_binding_its_scheme_and_the_policy_fit(
    binding: str, scheme: Scheme, dpop: DpopMode, mtls: bool
) -> None:
    policy = SenderPolicy(dpop=dpop, mtls=mtls, public_url="https://api.test")
    credentials = Credentials("t", scheme, "p.r.f" if scheme == "DPoP" else None)
    if (binding, scheme, dpop, mtls) in ACCEPTED:
        proof = read_presentation(BINDINGS[binding], credentials, policy)
        assert proof == credentials.proof
        return
    with pytest.raises(InvalidToken) as caught:
        read_presentation(BINDINGS[binding], credentials, policy)
    if binding == "unknown":
        assert caught.value.finding is Finding.TOKEN_BINDING_UNKNOWN
    elif binding in ("certificate", "both") and not mtls:
        assert caught.value.finding is Finding.CERTIFICATE_NOT_OFFERED
    elif (binding, scheme, dpop) in REASONS:
        assert caught.value.finding is REASONS[binding, scheme, dpop]


@pytest.mark.spec("9449-7.1-a")
@pytest.mark.parametrize("binding", ["dpop", "both"])
def test_the_scheme_dpop_without_a_proof_is_refused(binding: str) -> None:
    policy = SenderPolicy(dpop="optional", mtls=True, public_url="https://api.test")
    with pytest.raises(InvalidDpopProof) as caught:
        read_presentation(BINDINGS[binding], Credentials("t", "DPoP"), policy)
    assert caught.value.finding is Finding.DPOP_PROOF_MISSING


@pytest.mark.spec("9449-7.1-a", "9449-4.3-a")
def test_the_proofs_key_is_the_one_that_the_token_names() -> None:
    check_key(Confirmation(jkt="j"), "j")
    for cnf in (Confirmation(jkt="k"), Confirmation(jkt="j "), Confirmation(x5t_s256="j"), Confirmation(jkt="é")):
        with pytest.raises(InvalidToken) as caught:
            check_key(cnf, "j")
        assert caught.value.finding is Finding.DPOP_KEY_OTHER


@pytest.mark.spec("8705-3-b")
@pytest.mark.parametrize(
    ("cnf", "thumbprint", "finding"),
    [
        (Confirmation(x5t_s256="c"), "c", None),
        (Confirmation(x5t_s256="c"), "d", Finding.CERTIFICATE_OTHER),
        (Confirmation(x5t_s256="c"), "", Finding.CERTIFICATE_OTHER),
        (Confirmation(x5t_s256="c"), None, Finding.CERTIFICATE_MISSING),
        (Confirmation(jkt="j", x5t_s256="c"), None, Finding.CERTIFICATE_MISSING),
        (Confirmation(jkt="j"), None, None),
        (Confirmation(jkt="j"), "c", None),
    ],
)
def test_the_certificate_is_the_one_that_the_token_names(
    cnf: Confirmation, thumbprint: str | None, finding: Finding | None
) -> None:
    if finding is None:
        check_certificate(cnf, thumbprint)
        return
    with pytest.raises(InvalidToken) as caught:
        check_certificate(cnf, thumbprint)
    assert caught.value.finding is finding


@pytest.mark.spec("X-failclosed", "X-htu")
@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"dpop": "optional"}, "public_url"),
        ({"dpop": "required"}, "public_url"),
        ({"dpop": "on"}, "dpop"),
        ({"dpop": True}, "dpop"),
        ({"dpop": "optional", "public_url": "http://api.test"}, "public_url"),
        ({"dpop": "optional", "public_url": "https://api.test?a=1"}, "public_url"),
        ({"dpop": "optional", "public_url": "https://user@api.test"}, "public_url"),
        ({"dpop": "optional", "public_url": "api.test"}, "public_url"),
        ({"algorithms": ()}, "dpop_algorithms"),
        ({"algorithms": ("HS256",)}, "dpop_algorithms"),
        ({"algorithms": ("ES256", "none")}, "dpop_algorithms"),
        ({"window": 0}, "window"),
        ({"window": 301}, "window"),
        ({"leeway": -1}, "leeway"),
        ({"leeway": 61}, "leeway"),
    ],
)
def test_a_policy_that_cannot_work_stops_the_start_and_names_the_setting(
    values: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        build_sender_policy(**values)


@pytest.mark.parametrize(
    ("policy", "facts"),
    [
        (build_sender_policy(), (False, True, False)),
        (build_sender_policy(mtls=True), (False, True, True)),
        (build_sender_policy(dpop="optional", public_url="https://api.test"), (True, True, True)),
        (build_sender_policy(dpop="required", public_url="http://127.0.0.1:80/b"), (True, False, True)),
    ],
)
def test_a_policy_says_what_is_taken(policy: SenderPolicy, facts: tuple[bool, bool, bool]) -> None:
    assert (policy.offers_dpop, policy.takes_bearer, policy.takes_bound) == facts
    assert policy.algorithms == ALGORITHMS
