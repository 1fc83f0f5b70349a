"""Writes a new adapter: a complete folder that passes `bus check` and its own tests, to be changed from there.

An OPD that is the walidata of an event type gets a source that publishes it; another one a subscription with a handler.
A connector that is a target makes it a subscription into that target, whoever the OPD is.
"""

from __future__ import annotations

import keyword
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bus.cli import new_files
from bus.contracts import connectors
from bus.errors import ConfigError
from bus.events import Catalogue, EventType
from bus.subjects import AppName

FIRST = "kependudukan.penduduk.meninggal.v1"  #: what a subscriber starts with, unless told


def create(name: AppName, *, into: Path, connector: str | None = None, event: str | None = None) -> list[Path]:
    """Writes the folder ``into/<opd>/<app>`` and returns its files. Raises ConfigError, and leaves nothing half done.

    ``connector`` is a source's or a target's; without it files are read, or a handler takes the events. ``event`` is
    the type to publish or to subscribe to; without it the first that fits.
    """
    name = _identifiers(name)
    folder = into / name.opd / name.app
    if folder.exists():
        raise ConfigError(
            "there is something here already", where=str(folder), hint="choose another name, or remove it"
        )
    reads = connector is None or connectors.is_source(connectors.load(connector))
    catalogue = Catalogue.load()
    own = _own(name, catalogue)
    kind = _kind(name, catalogue, own if reads else (), event)
    if reads and kind in own:
        files = new_files.publishing(name, kind, connector or "file_drop", folder)
    elif reads and connector:
        why = f"cannot begin with {event}" if event else "is the walidata of no event type"
        raise ConfigError(
            f"{connector} is a source, and {name.opd} {why}",
            hint="name a target, sql_upsert for one, or declare the type in schemas/ first",
        )
    else:
        files = new_files.subscribing(name, kind, connector, folder, walidata=bool(own))
    _write(folder, files)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _identifiers(name: AppName) -> AppName:
    made = AppName.of_tokens(*name)
    for part in made:
        if not part.isidentifier() or keyword.iskeyword(part):
            raise ConfigError(f"{part!r} cannot be a folder of Python", hint="use letters, digits and _")
    return made


def _own(name: AppName, catalogue: Catalogue) -> Sequence[EventType]:
    """The event types that this OPD may begin to publish, facts first; a correction is none to begin with."""
    own = [kind for kind in catalogue.values() if name.opd in kind.walidata and kind.corrects is None]
    return sorted(own, key=lambda kind: (kind.kind != "fact", kind.name))


def _kind(name: AppName, catalogue: Catalogue, own: Sequence[EventType], event: str | None) -> EventType:
    """The event type to begin with: the one that is asked for, the first of its ``own``, or else one of others."""
    if event is not None:
        if event not in catalogue:
            raise ConfigError(f"unknown event {event}", hint="the event types are in schemas/")
        return catalogue[event]
    others = [kind for kind in catalogue.values() if name.opd not in kind.walidata]
    return next(iter(own), None) or next((kind for kind in others if str(kind.name) == FIRST), others[0])


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """The whole folder or nothing; the OPD's folder becomes a Python package."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        try:
            for name, text in files.items():
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_text(text, encoding="utf-8")
            draft.chmod(0o755)
            draft.rename(folder)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        (folder.parent / "__init__.py").touch()
    except OSError as error:
        raise ConfigError(f"cannot write: {error.strerror}", where=str(folder)) from error
