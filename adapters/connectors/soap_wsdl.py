"""A service's description (WSDL) and the schemas that it imports, kept so that an adapter starts while it is away."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from hashlib import blake2b
from pathlib import Path
from typing import Any

import structlog

from adapters.connectors.http import Answer, HttpClient
from bus.errors import ConfigError, Unavailable

FRESH = 86_400.0  #: seconds that a kept document is taken without a question

log = structlog.get_logger(__name__)


class Descriptions:
    """The documents of one service. ``load`` is called in a thread, by what reads them; the requests run in the loop.

    Those that come over HTTP are kept in ``folder``; ``fresh`` asks for them whatever is kept. Files of this machine
    are read where the first document is one (``local``), not where one of the network names them.
    """

    def __init__(self, http: HttpClient, folder: Path, where: str, *, local: bool) -> None:
        self._http, self._folder, self._where, self._local = http, folder, where, local
        self._loop = asyncio.get_running_loop()
        self.fresh = False
        self.kept = False  #: whether one of those that were loaded was not asked for

    def load(self, place: str) -> bytes:
        """A document by its address or its path. Raises BusError."""
        if not place.startswith(("http://", "https://")):
            if not self._local:
                raise ConfigError("the WSDL names a document that is no address", where=f"{self._where}.wsdl")
            return self._read(Path(place.removeprefix("file://")))
        path = self._folder / f"{blake2b(place.encode(), digest_size=16).hexdigest()}.xml"
        age = time.time() - path.stat().st_mtime if path.exists() else None
        if age is not None and age < FRESH and not self.fresh:
            self.kept = True
            return path.read_bytes()
        try:
            answer: Answer = waited(self._loop, lambda: self._http.get(place))
            answer.check(f"{self._where}.wsdl")
        except Unavailable as error:
            if age is None:
                raise
            log.warning("the description is an old one", source=self._where, days=int(age / FRESH), error=error.what)
            self.kept = True
            return path.read_bytes()
        self._keep(path, answer.body)
        return answer.body

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {path.name}: {error.strerror}", where=f"{self._where}.wsdl") from None

    def _keep(self, path: Path, document: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}")
            unfinished.write_bytes(document)
            unfinished.replace(path)
        except OSError as error:  # it works without, but not offline
            log.warning("cannot keep the description", source=self._where, error=error.strerror)


def waited(loop: asyncio.AbstractEventLoop, asked: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Awaits something in the loop, out of a thread. Raises what it raises; Unavailable where the loop gives it up."""
    if loop.is_closed():
        raise Unavailable("the adapter ends")
    future: Future[Any] = asyncio.run_coroutine_threadsafe(asked(), loop)
    try:
        return future.result()
    except CancelledError:
        raise Unavailable("the call is given up") from None
