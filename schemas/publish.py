"""``python -m schemas.publish``: writes the schemas of new versions into ``schemas/published`` and edits no other.

Says what to do and ends with 1 where a type differs from its published version, or breaks one (see
``bus.events.compatibility``). To change a type: change its class, raise ``schema_version`` in its decorator, run this.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bus.errors import BusError, ConfigError
from bus.events import Catalogue, EventType
from bus.events.compatibility import check
from bus.events.export import State, differences, dumps, export, next_minor, path_of, state

FOLDER = Path(__file__).parent / "published"


def publish(catalogue: Catalogue, folder: Path = FOLDER) -> list[Path]:
    """Writes what is not published yet; all or nothing. Raises ConfigError with every break, one a line."""
    due = [each for each in catalogue.values() if state(each, folder) is State.UNPUBLISHED]
    faults = [f"{each.name}: {fault}" for each in due for fault in _faults(each, folder)]
    if faults:
        raise ConfigError("\n".join(faults), hint="undo the change, or declare a new major version of the event type")
    corrected = {each.corrects for each in catalogue.values()}
    facts = [each for each in due if each.kind == "fact" and not each.corrects]
    if final := [each.label for each in facts if each.name not in corrected]:
        raise ConfigError(f"{', '.join(final)}: a fact that nothing withdraws", hint="declare its @correction as well")
    paths = []
    for each in due:
        path = path_of(each, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # never over a file that is there
            file.write(dumps(export(each)))
        paths.append(path)
    return paths


def _faults(event_type: EventType, folder: Path) -> list[str]:
    wanted = next_minor(event_type, folder)
    if event_type.schema_version != wanted:
        return [f"declares version {event_type.schema_version}; the next one is {wanted}"]
    return [str(each) for each in check(event_type, folder)]


def main() -> int:
    """The command. Returns the exit code."""
    catalogue = Catalogue.load()
    try:
        paths = publish(catalogue)
    except BusError as error:
        print(error, file=sys.stderr)
        return 1
    for path in paths:
        print(f"published {path.relative_to(FOLDER)}")
    left = differences(catalogue, FOLDER)
    for line in left:
        print(line, file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
