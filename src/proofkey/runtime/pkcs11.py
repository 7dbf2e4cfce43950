"""Private keys in a PKCS#11 token: a hardware module, a smart card, SoftHSM."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from threading import Lock
from typing import Any, Final, Literal, TypeVar

from cryptography.exceptions import InvalidSignature

from proofkey.authorization_server.signer import SignerKey
from proofkey.errors import ConfigurationError, ProofkeyError, Unavailable, missing_extra
from proofkey.findings import Finding
from proofkey.protocol.jose import thumbprint
from proofkey.protocol.key_set import parse_public_jwk
from proofkey.protocol.text import EPOCH, Instant, Secret, encode_base64url
from proofkey.runtime import events
from proofkey.runtime.clock import Clock, system_clock
from proofkey.runtime.settings_server import SignerSettings

T = TypeVar("T")
Pkcs11Algorithm = Literal["ES256", "RS256", "PS256", "Ed25519"]

SIGN_SECONDS: Final = 5.0
"""For one signature, its wait included; then 503."""
PAUSE: Final = 1.0
"""Seconds without a further try after the token could not be had."""
RETRY_AFTER: Final = 2
_P256: Final = bytes.fromhex("06082a8648ce3d030107")
"""DER of the curve's object identifier (RFC 5480 §2.1.1.1)."""
_PROBE: Final = b"proofkey"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Key:
    """A key pair of the token, by its label. Without a `kid` it is the thumbprint (RFC 7638)."""

    label: str
    algorithm: Pkcs11Algorithm
    kid: str | None = None
    active_from: Instant = EPOCH


class Pkcs11Signer:
    """A `Signer` on a PKCS#11 module. One thread signs, one signature after another, and at most `queue` of them
    wait: more at once need more worker processes.

    When the token is lost, the module is initialised anew and the signature tried again; then there is a pause
    before the next try. Nothing else in the process may use that module. A refused PIN is not tried again,
    since tokens lock themselves after a few.
    """

    def __init__(
        self,
        module: str,
        token: str,
        pin: Secret,
        keys: Sequence[Pkcs11Key],
        *,
        queue: int = 64,
        clock: Clock | None = None,
    ) -> None:
        """`module` is the path of the library, `token` the label of the token.

        Raises: ConfigurationError when python-pkcs11 is not installed.
        """
        try:
            self._pkcs11: Any = import_module("pkcs11")
        except ImportError as error:
            raise missing_extra("pkcs11", error.name) from error
        self._link = _Link(self._pkcs11, module, token, pin, clock or system_clock())
        of = self._pkcs11.exceptions
        self._misfits = (of.MechanismInvalid, of.KeyTypeInconsistent, of.AttributeTypeInvalid)
        self._keys = tuple(keys)
        self._by_kid: dict[str, Pkcs11Key] = {}
        self._told: tuple[SignerKey, ...] = ()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="proofkey pkcs11")
        self._most = 1 + queue
        self._busy = 0
        self._lock = Lock()

    async def keys(self) -> Sequence[SignerKey]:
        """The public halves, read at the first call, when each key also signs once to show that it can.

        Raises: Unavailable; ConfigurationError for a key that is not there, or is of another kind.
        """
        if not self._told:
            self._told = await self._run(self._read_keys)
        return self._told

    async def sign(self, kid: str, signed: bytes, /) -> bytes:
        """Raises: Unavailable when the token is away, or the queue is full; ConfigurationError after the token has
        refused the PIN."""
        key = self._by_kid.get(kid)
        if key is None:
            raise Unavailable(Finding.SIGNER_AWAY, kid=kid, reason="no such key")
        return await self._run(partial(self._link.use, partial(self._signature, key, signed)))

    async def aclose(self) -> None:
        """Ends the thread and the session; what waits is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._link.close)

    def __repr__(self) -> str:
        return f"Pkcs11Signer({', '.join(key.label for key in self._keys)})"

    async def _run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._busy >= self._most:
                raise Unavailable(Finding.BUSY, retry_after=RETRY_AFTER, pool="pkcs11")
            self._busy += 1
        try:
            future = self._threads.submit(work)
        except RuntimeError as error:  # closed
            self._done()
            raise Unavailable(Finding.STOPPING) from error
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), SIGN_SECONDS)
        except TimeoutError:
            raise Unavailable(Finding.SIGNER_AWAY, retry_after=RETRY_AFTER, reason="no answer in time") from None

    def _done(self, _future: object = None) -> None:
        with self._lock:
            self._busy -= 1

    # --- in the threads -----------------------------------------------------------------------------------------

    def _read_keys(self) -> tuple[SignerKey, ...]:
        return tuple(self._link.use(partial(self._read_key, key)) for key in self._keys)

    def _read_key(self, key: Pkcs11Key, session: "_Session") -> SignerKey:
        """Raises: ConfigurationError."""
        try:
            jwk = self._public_jwk(session, key)
            signature = self._signature(key, _PROBE, session)
        except self._pkcs11.exceptions.NoSuchKey as error:
            raise _unfit(key, "no such key pair in the token, or several") from error
        except self._misfits as error:
            raise _unfit(key, f"of another kind, or the token cannot do {key.algorithm}") from error
        try:
            parse_public_jwk(jwk).verify(signature, _PROBE)
        except (InvalidSignature, ValueError) as error:
            raise _unfit(key, "weak, or the two halves do not belong together") from error
        self._by_kid[jwk["kid"]] = key
        return SignerKey(public_jwk=jwk, active_from=key.active_from)

    def _signature(self, key: Pkcs11Key, signed: bytes, session: "_Session") -> bytes:
        mechanism, handle = self._pkcs11.Mechanism, session.handles.get(key.label)
        if handle is None:
            handle = self._find(session, key, self._pkcs11.ObjectClass.PRIVATE_KEY)
            session.handles[key.label] = handle
        match key.algorithm:
            case "ES256":
                return bytes(handle.sign(hashlib.sha256(signed).digest(), mechanism=mechanism.ECDSA))
            case "RS256":
                return bytes(handle.sign(signed, mechanism=mechanism.SHA256_RSA_PKCS))
            case "PS256":
                salted = (mechanism.SHA256, self._pkcs11.MGF.SHA256, hashlib.sha256().digest_size)
                name = mechanism.SHA256_RSA_PKCS_PSS
                return bytes(handle.sign(signed, mechanism=name, mechanism_param=salted))
            case "Ed25519":
                return bytes(handle.sign(signed, mechanism=mechanism.EDDSA))

    def _find(self, session: "_Session", key: Pkcs11Key, kind: object) -> Any:  # noqa: ANN401 - untyped library
        attribute = self._pkcs11.Attribute
        found = list(session.open.get_objects({attribute.CLASS: kind, attribute.LABEL: key.label}))
        if len(found) != 1:
            raise self._pkcs11.exceptions.NoSuchKey
        return found[0]

    def _public_jwk(self, session: "_Session", key: Pkcs11Key) -> dict[str, Any]:
        p11 = self._pkcs11
        public, attribute = self._find(session, key, p11.ObjectClass.PUBLIC_KEY), p11.Attribute
        jwk: dict[str, Any]
        if key.algorithm in ("RS256", "PS256"):
            modulus, exponent = bytes(public[attribute.MODULUS]), bytes(public[attribute.PUBLIC_EXPONENT])
            jwk = {"kty": "RSA", "n": encode_base64url(modulus.lstrip(b"\0"))}
            jwk["e"] = encode_base64url(exponent.lstrip(b"\0"))
        elif key.algorithm == "ES256":
            if bytes(public[attribute.EC_PARAMS]) != _P256:
                raise _unfit(key, "not on the curve P-256")
            point = bytes(public[attribute.EC_POINT])[-64:]
            x, y = (encode_base64url(half) for half in (point[:32], point[32:]))
            jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        else:
            point = bytes(public[attribute.EC_POINT])[-32:]
            jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(point)}
        try:
            return {**jwk, "use": "sig", "alg": key.algorithm, "kid": key.kid or thumbprint(jwk)}
        except ValueError as error:
            raise _unfit(key, "of another kind") from error


class _Session:
    """A session that is logged in, and the keys that it has found."""

    __slots__ = ("handles", "open")

    def __init__(self, opened: Any) -> None:  # noqa: ANN401 - untyped library
        self.open = opened
        self.handles: dict[str, Any] = {}


class _Link:
    """The module and its token, for one thread."""

    def __init__(self, pkcs11: Any, module: str, token: str, pin: Secret, clock: Clock) -> None:  # noqa: ANN401
        self._pkcs11 = pkcs11
        self._module = module
        self._label = token
        self._pin = pin
        self._clock = clock
        self._session: _Session | None = None
        self._next_try = 0.0
        self._pin_refused = False
        of = pkcs11.exceptions
        self._refusals = (of.PinIncorrect, of.PinInvalid, of.PinLenRange, of.PinExpired, of.PinLocked)

    def use(self, work: Callable[[_Session], T]) -> T:
        """Does it in the session; once more in a new one when the module says no.

        Raises: Unavailable; whatever ProofkeyError `work` raises.
        """
        with _IN_A_MODULE:
            if self._session is not None:
                try:
                    return work(self._session)
                except ProofkeyError:
                    raise
                except Exception as error:  # noqa: BLE001 - whatever the module says: a new session is tried
                    events.emit("pkcs11.lost", level="warning", token=self._label, error=type(error).__name__)
                    self._session = None
            try:
                return work(self._connect())
            except ProofkeyError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the module says: its type and nothing more
                self._session = None
                fault = type(error).__name__
        events.emit("pkcs11.away", level="warning", token=self._label, error=fault)
        raise _away(fault)

    def close(self) -> None:
        """Ends the session."""
        with _IN_A_MODULE:
            session, self._session = self._session, None
            try:
                if session is not None:
                    session.open.close()
            except Exception as error:  # noqa: BLE001 - it is over in any case
                events.emit("pkcs11.not_closed", level="debug", error=type(error).__name__)

    def _connect(self) -> _Session:
        """Raises: Unavailable within the pause; whatever the module says."""
        now = self._clock.monotonic()
        if self._pin_refused:
            raise _refused_pin()
        if now < self._next_try:
            raise _away("pause")
        self._next_try = now + PAUSE
        library = self._pkcs11.lib(self._module)
        library.reinitialize()  # it may have been loaded before: by us, or by somebody with other settings
        token, pin = library.get_token(token_label=self._label), self._pin.reveal()
        try:
            opened = token.open(user_pin=pin)
        except self._pkcs11.exceptions.UserAlreadyLoggedIn:
            opened = token.open()
        except self._refusals as error:
            self._pin_refused = True
            raise _refused_pin() from error
        self._session = _Session(opened)
        events.emit("pkcs11.linked", token=self._label)
        return self._session


_IN_A_MODULE: Final = Lock()
"""python-pkcs11 does not ask modules for locks of their own, so one thread of the process is inside at a time."""


def build_pkcs11_signer(settings: SignerSettings, clock: Clock) -> Pkcs11Signer:
    """The signer of `[server.signer]`. Raises: ConfigurationError when python-pkcs11 is not installed."""
    keys = [
        Pkcs11Key(
            label=key.label,
            algorithm=key.algorithm,
            kid=key.kid,
            active_from=Instant(int(key.active_from.timestamp())) if key.active_from else EPOCH,
        )
        for key in settings.keys
    ]
    module, pin = str(settings.module), settings.pin
    return Pkcs11Signer(module, settings.token, pin, keys, clock=clock)


def _away(fault: str) -> Unavailable:
    return Unavailable(Finding.SIGNER_AWAY, retry_after=RETRY_AFTER, error=fault)


def _refused_pin() -> ConfigurationError:
    reason = "the token refused it; it is not tried again before a restart"
    return ConfigurationError(Finding.CONFIG_VALUE, key="server.signer.pin", reason=reason)


def _unfit(key: Pkcs11Key, reason: str) -> ConfigurationError:
    return ConfigurationError(Finding.CONFIG_VALUE, key="server.signer.keys", label=key.label, reason=reason)
