"""Secret files: 0600 in a folder of 0700, complete or absent, one writer at a time."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bus.errors import ConfigError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def folder(path: Path) -> Path:
    """Makes a folder that nobody else may enter. Raises ConfigError where one exists that others may."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"cannot make the folder: {error.strerror}", where=str(path)) from None
    if mode & _OTHERS:
        raise ConfigError("others may enter this folder of secrets", where=str(path), hint=f"chmod 700 {path}")
    return path


def read(path: Path, *, hint: str = "") -> bytes:
    """The content of a secret file. Raises ConfigError where it is missing, or readable by others."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise ConfigError("others may read this secret", where=str(path), hint=f"chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise ConfigError(f"cannot read the secret: {error.strerror}", where=str(path), hint=hint) from None


def create(path: Path, content: bytes) -> bytes:
    """Writes a secret unless it exists, and returns what stands there: of two processes at once, both get the same."""
    if not path.exists():
        temporary = _written(path, content)
        try:
            os.link(temporary, path)  # unlike a rename, it fails where the other process was first
        except FileExistsError:
            pass
        except OSError as error:
            raise ConfigError(f"cannot write the secret: {error.strerror}", where=str(path)) from None
        finally:
            temporary.unlink()
        _sync(path.parent)
    return read(path)


def replace(path: Path, content: bytes) -> None:
    """Writes a secret over what was there: a reader sees the old or the new one, never a part."""
    _written(path, content).replace(path)
    _sync(path.parent)


@contextmanager
def exclusive(home: Path) -> Iterator[None]:
    """Lets one process at a time change the secrets of ``home``; the others wait."""
    descriptor = os.open(folder(home / "keys") / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _written(path: Path, content: bytes) -> Path:
    """A new file beside ``path`` with this content, on the disk."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ConfigError(f"cannot write the secret: {error.strerror}", where=str(path)) from None
    return temporary


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
