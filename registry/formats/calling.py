"""A call of a method, held against the interface before and after.

Rules, those of a Python call of the same signature: positional arguments come first and in order, keyword-only ones by
name, none twice, every required one is there, and none is unknown unless the interface has `*args` or `**kwargs`. What
is left out is left to the model's own default. Each value is then of its type, or is refused with its place
(`registry.formats.fitting`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NoReturn

from registry.datatypes import UNSPECIFIED, Primitive, describe
from registry.document import thaw
from registry.errors import RegistryError
from registry.formats.fitting import fit
from registry.formats.unfit import Fit, Unfit
from registry.interface import Method, signature

_OF_NONE = Primitive("NoneType")
"""The type MLEM records for a default of None; it says nothing of what else the argument takes."""


class InvalidArguments(RegistryError):
    """A call that the model's interface does not allow; the model was not called."""


class InvalidResult(RegistryError):
    """A result that the model's interface does not promise."""


class Call:
    """A method of a model whose arguments and result are held against its interface."""

    def __init__(
        self,
        name: str,
        method: Method,
        steps: tuple[Callable[..., Any], ...],
        where: str,
        how: Fit,
        *,
        check_result: bool = True,
    ) -> None:
        self.__name__ = name
        self.__doc__ = f"{name}{signature(method)}"
        self._method = method
        self._steps = steps
        self._where = where
        self._how = how
        self._result = Fit(result=True, rows=False) if check_result and method.returns is not UNSPECIFIED else None
        self._named = {argument.name: argument for argument in method.args}
        self._positional = tuple(argument for argument in method.args if not argument.kw_only)
        self._required = tuple(argument.name for argument in method.args if argument.required)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model; raises `InvalidArguments`, `InvalidResult`, and whatever the model itself raises."""
        if len(args) > len(self._positional) or kwargs or len(args) < len(self._required):
            self._bind(args, kwargs)
        given = [self._fit(self._positional[at].name, value) for at, value in enumerate(args[: len(self._positional)])]
        rest = [self._fit_rest(value, f"*{self._method.varargs}") for value in args[len(self._positional) :]]
        named = {name: self._fit(name, value) for name, value in kwargs.items()}
        found = self._steps[0](*given, *rest, **named)
        for step in self._steps[1:]:
            found = step(found)
        if self._result is not None:
            self._hold(found, self._result)
        return found

    @property
    def __signature__(self) -> inspect.Signature:
        """What `help` and `inspect.signature` show."""
        try:
            return _signature(self._method)
        except ValueError as error:  # names that Python has no place for
            raise AttributeError(str(error)) from None

    def __repr__(self) -> str:
        return f"<{self.__doc__}>"

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse what a Python call of this signature would refuse."""
        positional = self._positional[: len(args)]
        given = {argument.name for argument in positional}
        if len(args) > len(self._positional) and self._method.varargs is None:
            self._refuse(f"takes {len(self._positional)} positional arguments, {len(args)} were given")
        twice = sorted(given & kwargs.keys())
        unknown = sorted(kwargs.keys() - self._named.keys()) if self._method.varkw is None else []
        missing = [name for name in self._required if name not in given and name not in kwargs]
        for what, names in (("given twice", twice), ("unknown", unknown), ("missing", missing)):
            if names:
                self._refuse(f"{what}: argument {', '.join(name[:80] for name in names)}")

    def _fit(self, name: str, value: Any) -> Any:
        argument = self._named.get(name)
        if argument is None:
            return self._fit_rest(value, name, self._method.varkw_type)
        if not argument.required and (value is argument.default or argument.type_ == _OF_NONE):
            return value
        try:
            return fit(argument.type_, value, self._how)
        except Unfit as unfit:
            self._refuse(unfit.told(f"argument {name}"))

    def _fit_rest(self, value: Any, name: str, type_: Any = None) -> Any:
        try:
            return fit(type_ or self._method.varargs_type or UNSPECIFIED, value, self._how)
        except Unfit as unfit:
            self._refuse(unfit.told(f"argument {name}"))

    def _hold(self, found: Any, how: Fit) -> None:
        try:
            fit(self._method.returns, found, how)
        except Unfit as unfit:
            raise InvalidResult(
                f"{self.__name__}: {unfit.told('result')}",
                self._where,
                "save the model again with sample data that shows what it gives, or load it with check_results=False",
            ) from None

    def _refuse(self, what: str) -> NoReturn:
        raise InvalidArguments(f"{self.__name__}: {what}", self._where, f"the model has {self.__doc__}"[:400]) from None


def _signature(method: Method) -> inspect.Signature:
    kinds = inspect.Parameter
    found = []
    for argument in method.args:
        kind = kinds.KEYWORD_ONLY if argument.kw_only else kinds.POSITIONAL_OR_KEYWORD
        default = kinds.empty if argument.required else thaw(argument.default)
        found.append(kinds(argument.name, kind, default=default, annotation=describe(argument.type_)))
    rest = ((method.varargs, kinds.VAR_POSITIONAL), (method.varkw, kinds.VAR_KEYWORD))
    found += [kinds(name, kind) for name, kind in rest if name is not None]
    return inspect.Signature(sorted(found, key=lambda each: each.kind), return_annotation=describe(method.returns))
