"""A signer on a PKCS#11 token (SoftHSM): every algorithm, a lost token that comes back, the PIN in no log."""

import gc
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pkcs11
import pytest

from proofkey.errors import ConfigurationError, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.key_set import parse_public_jwk
from proofkey.protocol.text import Instant, Secret
from proofkey.runtime.pkcs11 import PAUSE, Pkcs11Algorithm, Pkcs11Key, Pkcs11Signer
from proofkey.testing.clock import TurnedClock
from proofkey.testing.softhsm import SoftHsm, make_token

ALGORITHMS: tuple[Pkcs11Algorithm, ...] = ("ES256", "RS256", "PS256", "Ed25519")
Open = Callable[..., Pkcs11Signer]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftHsm:
    made = make_token(tmp_path_factory.mktemp("hsm"))
    for algorithm in ALGORITHMS:
        made.add(algorithm, algorithm)
    made.add("P-384", "P-384")
    made.add("twice", "ES256")
    made.add("twice", "ES256")
    return made


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
async def signer_of(token: SoftHsm, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Open]:
    for name, value in token.environ.items():
        monkeypatch.setenv(name, value)
    opened: list[Pkcs11Signer] = []

    def make(*keys: Pkcs11Key, pin: str = token.pin, label: str = token.token, **options: Any) -> Pkcs11Signer:
        signer = Pkcs11Signer(token.module, label, Secret(pin), keys, clock=clock, **options)
        opened.append(signer)
        return signer

    yield make
    for signer in opened:
        await signer.aclose()


def es256(**changes: Any) -> Pkcs11Key:
    return Pkcs11Key(label="ES256", algorithm="ES256", **changes)


@pytest.mark.spec("7518-3", "issue 4 keys")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_the_token_signs(signer_of: Open, algorithm: Pkcs11Algorithm) -> None:
    signer = signer_of(Pkcs11Key(label=algorithm, algorithm=algorithm))
    (key,) = await signer.keys()
    assert (key.public_jwk["alg"], key.public_jwk["use"], "d" in key.public_jwk) == (algorithm, "sig", False)
    signature = await signer.sign(key.public_jwk["kid"], b"signed")
    parse_public_jwk(dict(key.public_jwk)).verify(signature, b"signed")
    if algorithm == "ES256":
        assert len(signature) == 64


async def test_a_key_has_the_kid_and_the_time_that_are_configured(signer_of: Open) -> None:
    (key,) = await signer_of(es256(kid="mine", active_from=Instant(7))).keys()
    assert (key.public_jwk["kid"], key.active_from) == ("mine", 7)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (Pkcs11Key(label="nobody", algorithm="ES256"), "no such"),
        (Pkcs11Key(label="twice", algorithm="ES256"), "several"),
        (Pkcs11Key(label="P-384", algorithm="ES256"), "P-256"),
        (Pkcs11Key(label="RS256", algorithm="ES256"), "another kind"),
        (Pkcs11Key(label="ES256", algorithm="RS256"), "another kind"),
    ],
    ids=["unknown", "twice", "another curve", "RSA as EC", "EC as RSA"],
)
async def test_a_key_that_does_not_fit_ends_the_start(signer_of: Open, key: Pkcs11Key, reason: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        await signer_of(key).keys()
    assert reason in refused.value.facts["reason"]


@pytest.mark.parametrize(
    ("wrong", "finding"),
    [({"pin": "another pin"}, Finding.CONFIG_VALUE), ({"label": "another token"}, Finding.SIGNER_AWAY)],
    ids=["pin", "token"],
)
async def test_a_token_that_does_not_open_says_so_and_no_pin(
    signer_of: Open, token: SoftHsm, wrong: dict[str, str], finding: Finding, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"), pytest.raises((Unavailable, ConfigurationError)) as refused:
        await signer_of(es256(), **wrong).keys()
    assert refused.value.finding is finding
    said = f"{caplog.text} {refused.value!r} {refused.value.facts} {refused.value.__cause__!r}"
    assert wrong.get("pin", token.pin) not in said
    assert token.pin not in said


async def test_a_lost_token_is_503_and_comes_back_without_a_restart(
    signer_of: Open, token: SoftHsm, clock: TurnedClock
) -> None:
    signer = signer_of(es256())
    (key,) = await signer.keys()
    kid = key.public_jwk["kid"]
    clock.turn(2 * PAUSE)
    token.lose()
    try:
        for _ in range(3):
            with pytest.raises(Unavailable) as refused:
                await signer.sign(kid, b"signed")
            assert refused.value.finding is Finding.SIGNER_AWAY
        assert await signer.keys() == (key,)  # published all the same
    finally:
        token.restore()
    with pytest.raises(Unavailable):  # nobody asks a token again within the pause
        await signer.sign(kid, b"signed")
    clock.turn(2 * PAUSE)
    parse_public_jwk(dict(key.public_jwk)).verify(await signer.sign(kid, b"signed"), b"signed")


async def test_many_signatures_at_once_with_the_token_lost_between(
    signer_of: Open, token: SoftHsm, clock: TurnedClock
) -> None:
    signer = signer_of(es256(), queue=200)
    (key,) = await signer.keys()
    verification = parse_public_jwk(dict(key.public_jwk))
    done: list[bool] = []

    async def sign(number: int) -> None:
        signed = str(number).encode()
        try:
            verification.verify(await signer.sign(key.public_jwk["kid"], signed), signed)
        except Unavailable:
            done.append(False)
        else:
            done.append(True)

    async def many() -> None:
        done.clear()
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(sign, number)

    with anyio.fail_after(60):
        await many()
        assert done == [True] * 100
        clock.turn(2 * PAUSE)
        token.lose()
        try:
            await many()
            assert done == [False] * 100
        finally:
            token.restore()
        clock.turn(2 * PAUSE)
        await many()
        assert done == [True] * 100


async def test_more_than_the_queue_takes_is_refused_at_once(signer_of: Open) -> None:
    signer = signer_of(es256(), queue=1)
    (key,) = await signer.keys()
    hold, held = threading.Event(), threading.Event()

    def block() -> None:
        held.set()
        hold.wait(30)

    async with anyio.create_task_group() as group:
        group.start_soon(signer._run, block)
        await anyio.to_thread.run_sync(held.wait, 30)
        group.start_soon(signer.sign, key.public_jwk["kid"], b"waits")
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Unavailable) as refused:
            await signer.sign(key.public_jwk["kid"], b"too much")
        assert refused.value.finding is Finding.BUSY
        hold.set()


async def test_an_unknown_kid_and_a_closed_signer_are_unavailable(signer_of: Open) -> None:
    signer = signer_of(es256())
    (key,) = await signer.keys()
    with pytest.raises(Unavailable):
        await signer.sign("unknown", b"")
    await signer.aclose()
    with pytest.raises(Unavailable):
        await signer.sign(key.public_jwk["kid"], b"")


async def test_a_refused_pin_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, clock: TurnedClock) -> None:
    """Tokens lock themselves after a few."""
    tried: list[str] = []

    def refuse(user_pin: str) -> None:
        tried.append(user_pin)
        raise pkcs11.exceptions.PinIncorrect

    library = SimpleNamespace(
        reinitialize=lambda: None, get_token=lambda token_label: SimpleNamespace(open=refuse)
    )
    fake = SimpleNamespace(lib=lambda path: library, exceptions=pkcs11.exceptions)
    monkeypatch.setitem(sys.modules, "pkcs11", fake)
    signer = Pkcs11Signer("a module", "a token", Secret("wrong"), [es256()], clock=clock)
    for _ in range(3):
        with pytest.raises(ConfigurationError) as refused:
            await signer.keys()
        assert refused.value.facts["key"] == "server.signer.pin"
        clock.turn(100 * PAUSE)
    assert tried == ["wrong"]
    await signer.aclose()


def test_the_pin_shows_nowhere(token: SoftHsm, tmp_path: Path) -> None:
    signer = Pkcs11Signer(token.module, token.token, Secret(token.pin), [es256()])
    assert token.pin not in f"{signer!r} {signer.__dict__} {vars(signer._link)}"
    del signer
    gc.collect()


def test_without_the_library_the_message_names_the_extra(token: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigurationError) as refused:
        Pkcs11Signer(token.module, token.token, Secret(token.pin), [es256()])
    assert refused.value.finding is Finding.EXTRA_MISSING
    assert "pkcs11" in refused.value.facts["install"]
