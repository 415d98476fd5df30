"""A setting's value: what a file or a command line says, as the type that the setting has."""

import math
import types
import typing
from typing import Any

from recon3d.errors import InputError


def converted(name: str, value: Any, kind: Any) -> Any:
    """`value`, perhaps a text, as the type of the setting `name`."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    text = value.strip() if isinstance(value, str) else None
    if type(None) in kinds and (value is None or (text or "").lower() in ("none", "auto")):
        return None
    kind = next(k for k in kinds if k is not type(None))
    if kind is bool and text is not None:
        words = {
            "true": True,
            "on": True,
            "yes": True,
            "1": True,
            "false": False,
            "off": False,
            "no": False,
            "0": False,
        }
        if text.lower() in words:
            return words[text.lower()]
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, float) and not isinstance(value, bool):
        try:
            number = kind(value)
        except (TypeError, ValueError):
            number = None
        if number is not None and math.isfinite(number) and (kind is float or float(value) == number):
            if number < 0:
                raise InputError(f"{name}: got {value}, wanted a number ≥ 0")
            return number
    raise InputError(f"{name}: got {value!r}, wanted {_WANTED[kind]}")


_WANTED = {int: "a whole number", float: "a number", bool: "true or false (on or off)", str: "a text"}
"""What a message calls the types of settings."""
