"""Certificates for MLLP connections, of servers and clients. New ones that replace the files are taken without a
restart.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog
from pydantic import Field

from bus.errors import ConfigError
from bus.ports import ConnectorConfig


class TlsConfig(ConnectorConfig):
    """PEM files; relative paths start at the contract's folder. Files that are replaced are read again."""

    certificate: str | None = Field(default=None, description="file with our own certificate; a source needs one")
    private_key: str | None = Field(default=None, description="file with its key; none: it is in the same file")
    authority: str | None = Field(
        default=None, description="file with the authority that the other side's certificate must be from"
    )


log = structlog.get_logger(__name__)


class ServerCertificates:
    """Those of a listening side: with an authority, clients must have a certificate of it. Raises ConfigError."""

    def __init__(self, tls: TlsConfig, folder: Path, where: str) -> None:
        if tls.certificate is None:
            raise ConfigError("a server needs a certificate", where=f"{where}.tls", hint="set `tls.certificate`")
        self._tls, self._folder, self._where = tls, folder, where
        self._seen = self._changed()
        self.context = self._loaded()

    def renew(self) -> None:
        """Reads files that have changed, for the connections to come."""
        if (now := self._changed()) == self._seen:
            return
        self._seen = now
        try:
            self._loaded()  # one that fails would leave the context half changed
            _load(self.context, self._tls, self._folder, self._where)
        except ConfigError as error:
            log.warning("keeps the certificates that it has", source=self._where, error=str(error))
        else:
            log.info("has read new certificates", source=self._where)

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        _load(context, self._tls, self._folder, self._where)
        return context

    def _changed(self) -> list[int]:
        """When each of the files was changed, ns; 0 where it is gone."""
        names = (self._tls.certificate, self._tls.private_key, self._tls.authority)
        paths = [self._folder / name for name in names if name is not None]
        return [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]


def client_context(tls: TlsConfig, folder: Path, where: str) -> ssl.SSLContext:
    """Of a calling side, made for each connection; without an authority the system's is trusted. Raises ConfigError."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    _load(context, tls, folder, where)
    return context


def _load(context: ssl.SSLContext, tls: TlsConfig, folder: Path, where: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if tls.certificate is not None:
            context.load_cert_chain(folder / tls.certificate, folder / tls.private_key if tls.private_key else None)
        if tls.authority is not None:
            context.load_verify_locations(folder / tls.authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        told = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise ConfigError(f"cannot read the certificates: {told}", where=f"{where}.tls") from None
