"""What the lint finds: one fault is one line, with the file, the key, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from bus.contracts.model import Contract
from bus.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a contract. ``key`` is its place in the file, ``publish.0.map.nik``; a ``note`` fails no check."""

    where: str
    key: str
    what: str
    hint: str = ""
    level: Literal["error", "note"] = "error"

    def error(self) -> ConfigError:
        """The same, to be raised."""
        return ConfigError(f"{self.key}: {self.what}" if self.key else self.what, where=self.where, hint=self.hint)

    def __str__(self) -> str:
        line = ": ".join(part for part in (self.where, self.key, self.what) if part)
        return f"{line} ({self.hint})" if self.hint else line


def fault(contract: Contract, key: str, what: str, hint: str = "") -> Fault:
    """An error in a contract."""
    return Fault(str(contract.path), key, what, hint)


def note(contract: Contract, key: str, what: str, hint: str = "") -> Fault:
    """Something that may be meant, and is worth a look."""
    return Fault(str(contract.path), key, what, hint, "note")


def of_error(contract: Contract, key: str, error: ConfigError) -> Fault:
    """An error met while checking, as a fault at the place where the contract asks for it."""
    what = f"{error.where}: {error.what}" if error.where and error.where != str(contract.path) else error.what
    return Fault(str(contract.path), key, what, error.hint)


def meant(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint: the known word that was probably meant, or else what there is."""
    choices = sorted(known)
    near = get_close_matches(word, choices, 1, 0.6)
    if near:
        return f"did you mean {near[0]}?"
    return otherwise or (f"there is {', '.join(choices)}" if choices else "there is none")
