"""Typed claims: `Protect[MyClaims]` reads a token's claims into the application's own model."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Generic, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from proofkey.errors import ConfigurationError, InvalidToken, Unavailable
from proofkey.findings import Finding
from proofkey.protocol.access_token import AccessToken, ClaimsT
from proofkey.runtime import events


class ClaimsModel(Generic[ClaimsT]):
    """Validates claims once per proven token: what a verifier remembers is not validated again."""

    __slots__ = ("_adapter", "_kept", "_model", "_size")

    def __init__(self, model: object, remember: int) -> None:
        """`model` is what pydantic can validate; `remember` is how many tokens the verifier remembers."""
        self._model = model
        self._size = remember
        self._adapter: TypeAdapter[Any] | None = None
        self._kept: OrderedDict[int, tuple[AccessToken, AccessToken[ClaimsT]]] = OrderedDict()

    def prepare(self) -> TypeAdapter[Any]:
        """What validates. Raises: ConfigurationError when pydantic cannot make anything of the model."""
        if self._adapter is None:
            model: Any = self._model
            try:
                self._adapter = TypeAdapter(model)
            except Exception as error:
                reason = type(error).__name__
                raise ConfigurationError(
                    Finding.CONFIG_VALUE, key="claims", value=str(model)[:200], reason=reason
                ) from error
        return self._adapter

    def read(self, token: AccessToken) -> AccessToken[ClaimsT]:
        """The same token with the model in place of the mapping. The log gets the name of a claim, no value.

        Raises: InvalidToken; Unavailable when the model's own code breaks; ConfigurationError.
        """
        known = self._kept.get(id(token))
        if known is not None and known[0] is token:
            return known[1]
        model: Any = self._validate(token.claims)
        typed = cast("AccessToken[ClaimsT]", replace(token, claims=model))
        if self._size:
            self._kept[id(token)] = token, typed  # it holds the token, so that nobody else gets its id
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return typed

    def _validate(self, claims: Mapping[str, Any]) -> object:
        validator = self.prepare()
        try:
            return validator.validate_python(claims)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            claim = str(first["loc"][0])[:100] if first["loc"] else "all of them"
            raise InvalidToken(Finding.CLAIMS_MODEL, claim=claim, reason=first["type"][:100]) from None
        except Exception as error:
            events.internal_error("api.claims_failed", error)
            raise Unavailable(Finding.APP_HOOK_FAILED, hook="claims") from error


def model_of(alias: object) -> object | None:
    """The model in `Protect[Model]`; None where it is a plain mapping, which needs no validation."""
    (model,) = get_args(alias) or (Any,)
    return None if model is Any or (get_origin(model) or model) in _PLAIN else model


_PLAIN: Final = (dict, Mapping)
