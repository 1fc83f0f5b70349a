"""A connection to a mail server, and what its answers mean: one mail goes to all of its recipients or to none.

No error carries an address or a server's text, which may repeat one; its code is told.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import aiosmtplib

from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable

Tls = Literal["starttls", "implicit", "none"]

PERMANENT = 500  #: codes from here on are final (RFC 5321 4.2.1)
STORAGE = 552  #: of a recipient: the mailbox is full for now (RFC 5321 4.5.3.1.10)
_NO_CERTIFICATE = "it does not prove itself by a certificate that is trusted"


class MailServer:
    """One user's connection to a mail server: made when it is needed, and again after it was lost.

    Methods raise Rejected for a mail that is refused for good, Unavailable for what may pass, AccessError and
    ConfigError for what concerns all mails.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: Tls,
        ca: str | None,
        login: tuple[str, str] | None,
        domain: str,
        timeout: float,
        where: str,
    ) -> None:
        """``domain`` is by which this end greets; ``ca`` a PEM file. Raises ConfigError for a bad one."""
        self._name, self._where, self._tls, self._login = f"{host}:{port}", where, tls, login
        try:
            context = ssl.create_default_context(cafile=ca) if tls != "none" else None
        except (OSError, ssl.SSLError):
            raise ConfigError(f"no PEM file of an authority at {ca}", where=f"{where}.ca") from None
        self._client = aiosmtplib.SMTP(
            hostname=host,
            port=port,
            use_tls=tls == "implicit",
            start_tls=False,  # asked for below, where its absence has a clear line
            tls_context=context,
            local_hostname=domain,
            timeout=timeout,
        )
        self._lock = asyncio.Lock()

    async def send(self, sender: str, recipients: Sequence[str], mail: bytes) -> None:
        """Sends a mail. After Unavailable it may have been sent: repeat it with the same Message-ID."""
        async with self._lock:
            try:
                with self._errors():
                    await self._ready()
                    await self._client.mail(sender)
                    for number, recipient in enumerate(recipients, 1):
                        with self._errors(f"recipient {number} of {len(recipients)}"):
                            await self._client.rcpt(recipient)
                    await self._client.data(mail)
            except Rejected:
                raise  # the connection is as good as before
            except BaseException:
                self._client.close()
                raise

    async def _ready(self) -> None:
        """A connection on which a mail may begin."""
        if self._client.is_connected:
            try:
                await self._client.rset()  # also ends what a refused recipient has left
            except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, aiosmtplib.SMTPResponseException):
                self._client.close()  # it was idle for too long
        if not self._client.is_connected:
            await self._client.connect()
            await self._client.ehlo()
            if self._tls == "starttls":
                await self._start_tls()
            if self._login:
                await self._log_in(*self._login)

    async def _start_tls(self) -> None:
        if not self._client.supports_extension("starttls"):
            hint = 'write tls = "implicit" for a port like 465, or "none" where mails may be read on the way'
            raise ConfigError(f"{self._name} knows no STARTTLS", where=self._where, hint=hint)
        await self._client.starttls()
        await self._client.ehlo()

    async def _log_in(self, user: str, password: str) -> None:
        if not self._client.supports_extension("auth"):
            hint = "take out user and password, or correct server and tls"
            raise ConfigError(f"{self._name} knows no way to log in", where=self._where, hint=hint)
        await self._client.login(user, password)

    @contextmanager
    def _errors(self, whom: str = "") -> Iterator[None]:
        try:
            yield
        except aiosmtplib.SMTPResponseException as error:
            raise self._refused(error, whom) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            if _of_certificate(error):
                hint = "correct `server` or `ca`"
                raise AccessError(f"{self._name}: {_NO_CERTIFICATE}", where=self._where, hint=hint) from None
            reason = "no answer in time" if isinstance(error, aiosmtplib.SMTPTimeoutError) else "no connection"
            raise Unavailable(f"{self._name} does not answer: {reason}", where=self._where) from None

    def _refused(self, error: aiosmtplib.SMTPResponseException, whom: str) -> BusError:
        code = error.code
        if code < PERMANENT or (whom and code == STORAGE):
            return Unavailable(f"{self._name} is busy{' for ' * bool(whom)}{whom} ({code})", where=self._where)
        if whom:
            return ConfigError(f"{self._name} refuses {whom} ({code})", where=self._where, hint="correct `to`")
        if isinstance(error, aiosmtplib.SMTPDataError):
            return Rejected(f"{self._name} refuses the mail ({code})", where=self._where)
        if isinstance(error, aiosmtplib.SMTPSenderRefused):
            hint = "correct `sender`; may this user send in its name?"
            return AccessError(f"{self._name} refuses the sender ({code})", where=self._where, hint=hint)
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            hint = "correct user and password"
            return AccessError(f"{self._name} refuses the user ({code})", where=self._where, hint=hint)
        return AccessError(f"{self._name} refuses the connection ({code})", where=self._where)

    async def close(self) -> None:
        """Says goodbye, where somebody listens."""
        if self._client.is_connected:
            try:
                await self._client.quit(timeout=1)
            except aiosmtplib.SMTPException:
                self._client.close()


def _of_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
