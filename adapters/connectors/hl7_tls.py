"""Certificates for MLLP connections, of servers and clients."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import Field

from bus.errors import ConfigError
from bus.ports import ConnectorConfig


class TlsConfig(ConnectorConfig):
    """PEM files; relative paths start at the contract's folder."""

    certificate: str | None = Field(default=None, description="file with our own certificate; a source needs one")
    private_key: str | None = Field(default=None, description="file with its key; none: it is in the same file")
    authority: str | None = Field(
        default=None, description="file with the authority that the other side's certificate must be from"
    )


def server_context(tls: TlsConfig, folder: Path, where: str) -> ssl.SSLContext:
    """Of a listening side: with an authority, clients must have a certificate of it. Raises ConfigError."""
    if tls.certificate is None:
        raise ConfigError("a server needs a certificate", where=f"{where}.tls", hint="set `tls.certificate`")
    return _loaded(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), tls, folder, where)


def client_context(tls: TlsConfig, folder: Path, where: str) -> ssl.SSLContext:
    """Of a calling side; without an authority the system's are trusted. Raises ConfigError."""
    return _loaded(ssl.create_default_context(ssl.Purpose.SERVER_AUTH), tls, folder, where)


def _loaded(context: ssl.SSLContext, tls: TlsConfig, folder: Path, where: str) -> ssl.SSLContext:
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
    return context
