"""What the SOAP connectors share: a service by its WSDL, called over the HTTP client of the other connectors.

zeep reads the WSDL, writes the calls and reads the answers, in a thread; credentials, addresses that may be called,
time-outs and Retry-After are as with http_poll. Calls go to `url`, whatever address the WSDL names. No error carries a
value: of a fault only its code is told.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Self

import zeep
from lxml import etree
from pydantic import Field, model_validator
from pydantic_core import to_jsonable_python
from zeep.exceptions import Error as ZeepError
from zeep.exceptions import Fault, ValidationError
from zeep.wsse.username import UsernameToken

from adapters.connectors.http import Answer, HttpClient, HttpConfig
from adapters.connectors.http_records import put
from adapters.connectors.soap_operation import Operation
from adapters.connectors.soap_wsdl import Descriptions, waited
from bus import config as settings
from bus.config import secret
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable

THREADS = 16  #: calls at once

_CODE = re.compile(r"[\w.:-]{1,60}")
_RECEIVER = frozenset(("server", "receiver"))
_MISFIT = frozenset(("versionmismatch", "mustunderstand", "dataencodingunknown", "procedurenotpresent"))
_REFUSED = frozenset(("failedauthentication", "invalidsecurity", "invalidsecuritytoken", "authentication"))
_XML = ("text/xml", "application/soap+xml", "application/xml", "multipart/related")


class SoapConfig(HttpConfig):
    """Options of every connector that calls a SOAP service."""

    wsdl: str | None = Field(
        default=None, description="the WSDL: an address, or a path from the contract's folder on; none: url?wsdl"
    )
    port: str | None = Field(default=None, description="the WSDL's port; none: the first that has the operation")
    operation: str = Field(description="the operation that is called")
    wsse_username: str | None = Field(default=None, description="WS-Security UsernameToken: the user")
    wsse_password: str | None = Field(default=None, description="WS-Security, by reference: env:NAME")
    wsse_digest: bool = Field(default=False, description="WS-Security: the password goes as a digest")
    strict: bool = Field(default=True, description="answers are as the WSDL says; false: what can be read is taken")
    cache: str | None = Field(default=None, description="where the WSDL is kept; none: wsdl/ in the bus's home")

    @model_validator(mode="after")
    def _token(self) -> Self:
        if bool(self.wsse_username) != bool(self.wsse_password):
            raise ValueError("wsse_username and wsse_password go together")
        return self


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer as zeep reads one."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    encoding: str | None = None


_reply: ContextVar[_Reply | None] = ContextVar("reply", default=None)  # what came of this thread's call


class SoapClient:
    """Calls one operation. ``rejects``: a call that the service refuses concerns one event, not the contract."""

    def __init__(self, config: SoapConfig, folder: Path, where: str, *, rejects: bool) -> None:
        self._config, self._folder, self._where, self._rejects = config, folder, where, rejects
        self._http = HttpClient(config, where)
        self._threads: ThreadPoolExecutor | None = None
        self._renewing = Lock()

    async def open(self) -> None:
        """Reads secrets and WSDL. Raises ConfigError, AccessError, and Unavailable where the WSDL is not kept."""
        await self.close()
        await self._http.open()
        # The loop finds the addresses of hosts in its common threads: these must not all wait for an answer.
        self._threads = ThreadPoolExecutor(THREADS, "soap")
        try:
            await self._describe()
        except BaseException:
            await self.close()
            raise

    async def _describe(self) -> None:
        config = self._config
        self._url = secret(config.url, where=f"{self._where}.url")
        self._token = None
        if config.wsse_username and config.wsse_password:
            user, password = (secret(each, where=self._where) for each in (config.wsse_username, config.wsse_password))
            self._token = UsernameToken(user, password, use_digest=config.wsse_digest)
        self._loop = asyncio.get_running_loop()
        folder = Path(config.cache) if config.cache else settings.load().home / "wsdl"
        folder = self._folder / folder if config.cache else folder
        self._wsdl, local = self._place()
        self._descriptions = Descriptions(self._http, folder, self._where, local=local)
        try:
            await self._threaded(self._read)
        except ConfigError:
            if not self._descriptions.kept:
                raise
            self._descriptions.fresh = True  # what was kept is not what the service is now
            await self._threaded(self._read)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    async def _threaded(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._threads is None:
            raise ConfigError("the connector is not open", where=self._where)
        return await self._loop.run_in_executor(self._threads, copy_context().run, function, *arguments)

    @property
    def http(self) -> HttpClient:
        """The client below."""
        return self._http

    # --- the description

    def _place(self) -> tuple[str, bool]:
        """The WSDL's address or path, and whether it is a path."""
        wsdl = self._config.wsdl or f"{self._url}{'&' if '?' in self._url else '?'}wsdl"
        wsdl = secret(wsdl, where=f"{self._where}.wsdl")
        local = not wsdl.startswith(("http://", "https://"))
        return (str(self._folder / wsdl), True) if local else (wsdl, False)

    def _renew(self, used: Operation) -> None:
        """Asks for the description again, unless another call has since ``used``. Runs in a thread."""
        with self._renewing:
            if self.operation is used:
                self._descriptions.fresh = True
                self._read()

    def _read(self) -> None:
        """Runs in a thread."""
        options = zeep.Settings(
            strict=self._config.strict, forbid_dtd=True, xsd_ignore_sequence_order=not self._config.strict
        )
        transport = _Transport(self, self._descriptions)
        try:
            client = zeep.Client(self._wsdl, wsse=self._token, transport=transport, settings=options)
        except BusError:
            raise
        # zeep's own, its XML parser's, and what zeep raises for a description that refers to nothing (LookupError), has
        # no number where one belongs (ValueError), or includes a schema without an address (NotImplementedError).
        except (ZeepError, etree.LxmlError, LookupError, ValueError, NotImplementedError) as error:
            raise ConfigError(
                f"the WSDL cannot be read ({type(error).__name__})", where=f"{self._where}.wsdl", hint="check `wsdl`"
            ) from None
        self.operation = Operation(client, self._config.operation, self._config.port, self._url, self._where)

    # --- calls

    async def call(self, arguments: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """Calls the operation; returns the answer as JSON has it, from the element on that the WSDL names.

        ``arguments`` are values by dotted paths. Raises BusError.
        """
        nested: dict[str, Any] = {}
        for path, value in arguments.items():
            put(nested, path, value, self._where)
        return await self._threaded(self._invoke, nested, dict(headers or {}))

    def _invoke(self, arguments: dict[str, Any], headers: dict[str, str]) -> Any:
        """Runs in a thread. An answer that is not as described is read once more by the description of today."""
        _reply.set(None)
        used = self.operation
        try:
            return self._called(used, arguments, headers)
        except ConfigError as misfit:
            if _reply.get() is None:
                raise
            try:
                self._renew(used)
            except BusError:
                raise misfit from None
            return self._called(self.operation, arguments, headers)

    def _called(self, operation: Operation, arguments: dict[str, Any], headers: dict[str, str]) -> Any:
        try:
            return to_jsonable_python(operation(arguments, headers))
        except Fault as fault:
            raise self._of_fault(fault) from None
        except ValidationError as error:
            path = ".".join(str(each) for each in error.path)
            told = f"isian wajib kosong: {path}" if path else "isian wajib kosong"
            ours = self._rejects and not _reply.get()
            raise (Rejected(told, where=self._where) if ours else self._misfit("the request or the answer")) from None
        except (TypeError, ValueError, ArithmeticError) as error:
            if self._rejects and not _reply.get() and not isinstance(error, TypeError):
                told = "isian tidak dapat ditulis seperti yang diminta layanan"  # a control character, no number
                raise Rejected(told, where=self._where) from None
            raise self._misfit("the answer" if _reply.get() else "the request") from None
        except (ZeepError, etree.LxmlError):
            raise self._misfit("the answer" if _reply.get() else "the request") from None

    def _misfit(self, what: str) -> ConfigError:
        hint = "check the options against it; strict = false takes what can be read"
        return ConfigError(f"{what} is not as the WSDL says", where=self._where, hint=hint)

    def _of_fault(self, fault: Fault) -> BusError:
        """What a fault means: SOAP 1.1 section 4.4.1, SOAP 1.2 part 1 section 5.4.6."""
        code = str(fault.code or "")
        codes = [code, *(str(getattr(each, "localname", each)) for each in fault.subcodes or ())]
        names = {part.lower() for each in codes for part in re.split(r"[:.]", each)}
        told = f"the service answers with a fault ({code if _CODE.fullmatch(code) else 'no code'})"
        if names & _REFUSED:
            return AccessError(told, where=self._where, hint="check the credentials and what they may do")
        if names & _MISFIT:
            return ConfigError(told, where=self._where, hint="check `port` and `wsdl`")
        if names & _RECEIVER:
            return Unavailable(told, where=self._where)
        if self._rejects:
            return Rejected(told, where=self._where)
        return ConfigError(told, where=self._where, hint="it refuses the request: check its parameters")

    def post(self, message: bytes, headers: Mapping[str, str]) -> _Reply:
        """Sends a call, out of the thread. Raises what a status means that comes without a SOAP answer."""
        if (reply := _reply.get()) is not None:  # it was called, and the answer is only to be read again
            return reply
        answer: Answer = waited(self._loop, lambda: self._http.send("POST", self._url, headers=headers, body=message))
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status not in {200, 202, 400, 500} or (answer.status != 200 and kind not in _XML):  # noqa: PLR2004
            answer.check(self._where, rejects=self._rejects)
        _reply.set(reply := _Reply(answer.status, answer.headers, answer.body))
        return reply


@dataclass(frozen=True, slots=True)
class _Transport:
    """What zeep loads documents with, and sends calls with."""

    client: SoapClient
    descriptions: Descriptions

    def load(self, place: str) -> bytes:
        """A document of the description."""
        return self.descriptions.load(place)

    def post_xml(self, _address: str, envelope: Any, headers: Mapping[str, str]) -> _Reply:
        """Sends a call."""
        return self.client.post(etree.tostring(envelope, xml_declaration=True, encoding="utf-8"), headers)
