"""Lint of connectors' options: known, valid, no secrets in clear, nothing that the law keeps out of payloads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from bus.contracts import connectors
from bus.contracts.faults import Fault, fault, of_error
from bus.contracts.model import ConnectorTable, Contract
from bus.errors import ConfigError
from bus.events import FORBIDDEN

Load = Callable[[str], type[Any]]  #: a connector's class by name; raises ConfigError

UNWRITTEN = re.compile(r"<[^<>]+>")  #: what a template left to be written

_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)")
_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_IN_TEXT = re.compile(r"\b(password|passwd|pwd|secret|token|api_?key)\s*=\s*[^\s;&]", re.IGNORECASE)
_SECRET_NAME = re.compile(r"(password|passwd|pwd|secret|token|api_?key)$", re.IGNORECASE)
_LITERAL_OR_COMMENT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_SELECT = re.compile(r"[\s(]*(select|with)\b", re.IGNORECASE)
_ALL_COLUMNS = re.compile(r"(\bselect\s+(distinct\s+)?|,\s*)(\w+\.)*\*", re.IGNORECASE)


def table(
    contract: Contract, key: str, connector: ConnectorTable, load: Load, role: Literal["source", "sink"]
) -> Iterator[Fault]:
    """The faults of one ``[source.*]`` or ``to``."""
    yield from secrets(contract, key, connector.options)
    yield from forbidden(contract, key, _words(connector.options))
    yield from query(contract, f"{key}.query", connector.options.get("query"))
    try:
        found = load(connector.connector)
        fits = connectors.is_source(found) if role == "source" else connectors.is_sink(found)
        if not fits:
            yield fault(contract, f"{key}.connector", f"{connector.connector} is no {role}")
            return
        connectors.configure(found, connector.options, where=str(contract.path), key=key)
    except ConfigError as error:
        yield of_error(contract, f"{key}.connector" if "connector" in error.what else "", error)


def secrets(contract: Contract, key: str, options: object) -> Iterator[Fault]:
    """Passwords that stand in the contract itself. Values are not repeated."""
    for path, value in texts(key, options):
        if _REFERENCE.fullmatch(value):
            continue
        named = _SECRET_NAME.search(path.rpartition(".")[2])
        if value.startswith(("env:", "file:")):
            yield fault(contract, path, "not a reference", "write env:NAME or file:PATH")
        elif named or _IN_URL.search(value) or _IN_TEXT.search(value):
            yield fault(contract, path, "a secret in clear", "write env:NAME or file:PATH, and change the secret")


def forbidden(contract: Contract, key: str, words: Iterable[str]) -> Iterator[Fault]:
    """Names of columns or fields that UU 24/2013 art. 84 keeps out of payloads."""
    for word in sorted({word.lower() for word in words} & FORBIDDEN):
        yield fault(contract, key, f"{word} must not leave the application", "UU 24/2013 pasal 84: take it out")


def query(contract: Contract, key: str, sql: object) -> Iterator[Fault]:
    """An owner's query: one SELECT, every column named. Tables hold passwords, and columns come without notice."""
    if not isinstance(sql, str) or not sql.strip():
        return
    bare = _LITERAL_OR_COMMENT.sub(" ", sql)
    if not _SELECT.match(bare):
        yield fault(contract, key, "not a SELECT", "a source only reads")
    elif ";" in bare.strip().removesuffix(";"):
        yield fault(contract, key, "more than one statement", "write one SELECT")
    elif _ALL_COLUMNS.search(bare):
        yield fault(contract, key, "it asks for every column, also for those to come", "name the columns, never *")


def _words(options: object) -> Iterator[str]:
    for _, value in texts("", options):
        yield from _WORD.findall(value.lower())


def texts(path: str, options: object) -> Iterator[tuple[str, str]]:
    """Every text in nested options, with its key path; the names of options that are columns, too."""
    if isinstance(options, str):
        yield path, options
    elif isinstance(options, Mapping):
        for name, value in options.items():
            yield from texts(f"{path}.{name}", value)
    elif isinstance(options, Sequence):
        for number, value in enumerate(options):
            yield from texts(f"{path}.{number}", value)
