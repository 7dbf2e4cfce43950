"""How `ScriptedProvider` reads and writes: forms, JSON, and JWTs that no library would make."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from proofkey.protocol.exchange import Answer
from proofkey.protocol.text import Pairs, encode_base64url
from proofkey.testing.provider_faults import Changes

HASHES = {"ES256": "sha256", "RS256": "sha256", "PS256": "sha256", "Ed25519": "sha512"}


def changed(honest: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}


def pairs_of(text: str) -> Pairs:
    return tuple((name, value) for name, value in parse_qsl(text, keep_blank_values=True))


def lists_of(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def one_of(found: Mapping[str, list[str]], name: str) -> str | None:
    values = found.get(name)
    return values[0] if values else None


def path_of(url: str) -> str:
    return urlsplit(url).path


def json_answer(document: Mapping[str, Any], status: int = 200) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(document).encode())


def segment(value: Mapping[str, Any]) -> str:
    return encode_base64url(json.dumps(value).encode())


def compact(header: Mapping[str, Any], claims: Mapping[str, Any], signature: Callable[[bytes], bytes]) -> str:
    signed = f"{segment(header)}.{segment(claims)}"
    return f"{signed}.{encode_base64url(signature(signed.encode()))}"
