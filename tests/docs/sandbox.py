"""Runs the shell blocks of a guide in a folder that stands for the machine; what would change a real one is noted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.blocks import ROOT, Block

NOTED = ("apt-get", "useradd", "systemctl", "journalctl")  #: commands that are noted, not run

_PLACES = re.compile(r"(?<![\w.])/(?=(?:etc|opt|var|srv|backup)/)")
_NOTE = '#!/bin/sh\necho "$(basename "$0") $*" >>"$NOTES"\n'
# Who owns a file is not for a test's user to say.
_INSTALL = """#!/bin/sh
for word; do
    shift
    case $skip$word in
        -o | -g) skip=. ;;
        .*) skip= ;;
        *) set -- "$@" "$word" ;;
    esac
done
exec "$REAL_INSTALL" "$@"
"""


@dataclass
class Sandbox:
    """``folder`` stands for ``/``: /etc, /opt, /var, /srv and /backup lie in it. Blocks run in ``within``."""

    folder: Path
    within: Path = ROOT
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.notes = self.folder / "notes"
        self.notes.touch()
        self._programs = self.folder / "programs"
        self._programs.mkdir(exist_ok=True)
        for name in NOTED:
            self.stub(name, _NOTE)
        self.stub("install", _INSTALL)

    def stub(self, name: str, script: str) -> None:
        """Puts a program before the real one."""
        path = self._programs / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    def place(self, path: str) -> Path:
        """Where a path of the guide is."""
        return self.folder / path.lstrip("/")

    def moved(self, text: str) -> str:
        """A text with its absolute paths in this folder."""
        return _PLACES.sub(f"{self.folder}/", text)

    def run(self, block: Block | str, *, code: int = 0) -> str:
        """Runs a block, stops at its first failing command, and returns what it printed."""
        text = block.text if isinstance(block, Block) else block
        path = os.pathsep.join([str(self._programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {"NOTES": str(self.notes), "REAL_INSTALL": "/usr/bin/install", "PATH": path}
        done = subprocess.run(
            ["bash", "-euc", self.moved(text)],
            cwd=self.within,
            env={**os.environ, **variables, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == code, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def noted(self) -> list[str]:
        """What would have been done to the machine, in order."""
        return self.notes.read_text(encoding="utf-8").splitlines()
