"""Our verifier beside PyJWT and joserfc, each called as documented: whoever differs, the table says why.

Two directions. What they let in of the hostile corpus is exactly what the table explains, so that a new release
that differs shows up here. And whatever we accept of tokens made at random, they accept too.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwk
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError

from proofkey.errors import InvalidToken
from proofkey.protocol.access_token import verify_access_token
from proofkey.testing.hostile_tokens import harmless_tokens, hostile_tokens
from proofkey.testing.tokens import TokenMaker, key_for_tests, key_set_of, sign_exactly

MAKE = TokenMaker(key_for_tests("ES256"))
KEYS = key_set_of(MAKE.key)
PUBLIC = MAKE.key.verification_key.key
JOSERFC_KEY = jwk.import_key(MAKE.key.public_jwk)
REQUIRED = ("exp", "iat", "iss", "sub", "aud", "jti", "client_id")


def accepted_by_us(token: str) -> bool:
    try:
        verify_access_token(token, KEYS, issuer=MAKE.issuer, audience=frozenset({MAKE.audience}), now=MAKE.now)
    except InvalidToken:
        return False
    return True


class StoppedDatetime(datetime):
    """PyJWT has no argument for the time."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(MAKE.now, UTC)


def accepted_by_pyjwt(token: str) -> bool:
    options: Any = {"require": list(REQUIRED)}
    try:
        with mock.patch("jwt.api_jwt.datetime", StoppedDatetime):
            jwt.decode(
                token,
                PUBLIC,
                algorithms=["ES256"],
                audience=MAKE.audience,
                issuer=MAKE.issuer,
                leeway=10,
                options=options,
            )
    except jwt.PyJWTError:
        return False
    return True


def accepted_by_joserfc(token: str) -> bool:
    wanted: dict[str, Any] = {name: {"essential": True} for name in REQUIRED}
    wanted |= {
        "iss": {"essential": True, "value": MAKE.issuer},
        "aud": {"essential": True, "value": MAKE.audience},
    }
    try:
        read = joserfc_jwt.decode(token, JOSERFC_KEY, algorithms=["ES256"])
        joserfc_jwt.JWTClaimsRegistry(now=MAKE.now, leeway=10, **wanted).validate(read.claims)
    except JoseError:
        return False
    return True


# Name of the hostile token → (who lets it in, why it is refused here).
EXPLAINED: dict[str, tuple[set[str], str]] = {
    r"refresh token|access token typed JWT|access token without typ|typ with .*": (
        {"PyJWT", "joserfc"}, "neither looks at typ: RFC 9068 §4 asks for at+jwt",
    ),
    r"typ that is no string": ({"PyJWT"}, "neither looks at typ; joserfc checks the types of header members"),
    r"bound to .*": ({"PyJWT", "joserfc"}, "neither knows cnf: a token bound to a key needs its proof"),
    r"client_id of an object|client_id empty|sub empty|jti empty": (
        {"PyJWT"}, "PyJWT asks whether a claim is there, not what it is",
    ),
    r"client_id a (number|list)": ({"PyJWT", "joserfc"}, "client_id is no claim of RFC 7519"),
    r"(scope with|roles of) .*": ({"PyJWT", "joserfc"}, "scope and roles are no claims of RFC 7519"),
    r"exp of string|(iat|nbf) of true": ({"PyJWT"}, "PyJWT turns strings and booleans into numbers"),
    r"exp of (2\^53|10\^400|1e20)|(iat|nbf) of negative": ({"PyJWT", "joserfc"}, "no limits on NumericDates"),
    r"auth_time of .*": ({"PyJWT", "joserfc"}, "auth_time is no claim of RFC 7519"),
    r"crit \[\]|crit \['alg'\]": ({"joserfc"}, "joserfc takes an empty crit, and registered names"),
    r"b64 true": ({"PyJWT", "joserfc"}, "b64 outside crit is ignored; here it is refused in every form"),
    r"kid 'k{20}'": ({"PyJWT"}, "as below; joserfc limits the header's size"),
    r"kid '.*|kid \"key.*": ({"PyJWT", "joserfc"}, "called with one key, both ignore kid"),
    r"header: (a nested member twice|an escaped member twice|a lone surrogate|nested 17 deep|a huge number|NaN)": (
        {"PyJWT"}, "as for the payload; joserfc refuses header members that it does not know",
    ),
    r"(payload|header): (members twice|UTF-.*|a byte order mark)|payload: (a nested|an escaped) member twice": (
        {"PyJWT", "joserfc"}, "json.loads takes the last of two members, and guesses the encoding of bytes",
    ),
    r"payload: (a lone surrogate|nested 17 deep|a huge number|NaN)": (
        {"PyJWT", "joserfc"}, "json.loads goes beyond RFC 8259, and has no limit of depth",
    ),
    r"padding": ({"PyJWT"}, "PyJWT drops padding: one token, two spellings"),
    r"larger than 16 kB": ({"PyJWT", "joserfc"}, "their limits are wider or none"),
}  # fmt: skip
RAISES: dict[str, tuple[set[str], type[BaseException]]] = {
    r"crit (1|null)": ({"joserfc"}, TypeError),
    r"payload: (nested|opened) very deep": ({"joserfc"}, RecursionError),
    r"lone surrogate": ({"PyJWT", "joserfc"}, UnicodeEncodeError),
}
"""Where a library leaves its own error class."""
LIBRARIES: dict[str, Callable[[str], bool]] = {"PyJWT": accepted_by_pyjwt, "joserfc": accepted_by_joserfc}


def explained(name: str, library: str) -> bool:
    """Of several patterns that fit, the first counts."""
    return next((library in who for pattern, (who, _) in EXPLAINED.items() if re.fullmatch(pattern, name)), False)


def expected_error(name: str, library: str) -> type[BaseException] | None:
    found = [error for pattern, (who, error) in RAISES.items() if re.fullmatch(pattern, name) and library in who]
    return found[0] if found else None


HOSTILE = hostile_tokens(MAKE)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=[ascii(hostile.name) for hostile in HOSTILE])
def test_every_difference_on_a_hostile_token_is_explained(number: int, library: str) -> None:
    hostile = HOSTILE[number]
    assert not accepted_by_us(hostile.token)
    error = expected_error(hostile.name, library)
    if error is not None:
        with pytest.raises(error):
            LIBRARIES[library](hostile.token)
        return
    assert LIBRARIES[library](hostile.token) is explained(hostile.name, library)


@pytest.mark.parametrize("pattern", [*EXPLAINED, *RAISES])
def test_every_explanation_is_of_use(pattern: str) -> None:
    assert any(re.fullmatch(pattern, hostile.name) for hostile in HOSTILE)


@pytest.mark.parametrize("library", LIBRARIES)
def test_harmless_tokens_are_harmless_to_all(library: str) -> None:
    refused = {harmless.name for harmless in harmless_tokens(MAKE) if not LIBRARIES[library](harmless.token)}
    assert all(accepted_by_us(harmless.token) for harmless in harmless_tokens(MAKE))
    # RFC 7515 §4 has unknown header parameters ignored; joserfc's strict check refuses them
    assert refused == ({"unknown header parameters"} if library == "joserfc" else set())


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
json_values: st.SearchStrategy[Any] = scalars | st.lists(scalars, max_size=2)
near_now = st.integers(MAKE.now - 200, MAKE.now + 2000) | st.floats(MAKE.now - 200, MAKE.now + 2000)
claims = st.fixed_dictionaries(
    {},
    optional={
        "iss": st.just(MAKE.issuer) | json_values,
        "aud": st.just(MAKE.audience)
        | st.lists(st.just(MAKE.audience) | st.text(max_size=4), max_size=3)
        | json_values,
        "exp": near_now | json_values,
        "iat": near_now | json_values,
        "nbf": near_now | json_values,
        "sub": json_values,
        "jti": json_values,
        "client_id": json_values,
        "scope": json_values,
        "roles": json_values,
    },
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["ES256", "RS256", "none", "HS256", "es256", None]),
        "kid": st.sampled_from(["key-1", "key-2", None, 1]),
        "typ": st.sampled_from(["at+jwt", "application/at+jwt", "JWT", None]),
        "crit": st.sampled_from([[], ["exp"], None]),
        "cty": st.just("JWT"),
    },
)


@settings(max_examples=400)
@given(headers, claims)
def test_what_we_accept_of_random_tokens_both_accept(header: dict[str, Any], changes: dict[str, Any]) -> None:
    token = sign_exactly(
        MAKE.key, json.dumps(MAKE.header() | header).encode(), json.dumps(MAKE.claims() | changes).encode()
    )
    if accepted_by_us(token):
        assert accepted_by_pyjwt(token)
        assert accepted_by_joserfc(token)


@settings(max_examples=400)
@given(st.data())
def test_no_altered_token_is_accepted_by_us_alone(data: st.DataObject) -> None:
    token = MAKE.access_token()
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 3)))
    inserted = data.draw(st.text(alphabet="ABab01-_+/=. \n", max_size=3))
    altered = token[:start] + inserted + token[end:]
    if accepted_by_us(altered):
        assert altered == token
        assert accepted_by_pyjwt(altered)
        assert accepted_by_joserfc(altered)
