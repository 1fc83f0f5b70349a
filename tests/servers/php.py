"""A private PHP with its own SoapServer, as many offices run it."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Any, ClassVar

from tests.servers.server import HOST, Server, speaks_http

SCRIPTS = Path(__file__).parent / "soap"


def installed() -> Path | None:
    """The folder of PHP; None where it is not installed. Its SOAP extension comes with php-soap."""
    found = which("php")
    return Path(found).parent if found else None


class Php(Server):
    """PHP's built-in server over the services in ``soap/``; their data lie in its folder."""

    scheme: ClassVar[str] = "http"
    account: ClassVar[str] = "www-data"
    gentle: ClassVar[signal.Signals] = signal.SIGINT

    @property
    def url(self) -> str:
        """Where its services are, each by its name."""
        return f"http://{HOST}:{self.port}"

    def initialise(self) -> None:
        for script in (self.folder / "soap", self.folder / "data"):
            self.run(["mkdir", script.name])
        for path in SCRIPTS.iterdir():  # where the server's user may read it
            shutil.copy(path, self.folder / "soap")

    def command(self) -> list[str]:
        program = [str(self.programs / "php"), "-n", "-d", "extension=soap", "-d", "log_errors=1"]
        places = ["-t", str(self.folder / "data"), str(self.folder / "soap" / "router.php")]
        return [*program, "-S", f"{HOST}:{self.port}", *places]

    def answers(self) -> bool:
        return speaks_http(self.port)

    def describe(self, file: str, changes: Mapping[str, str]) -> None:
        """Changes a description that a service answers by; without changes it is as it was."""
        text = (SCRIPTS / file).read_text(encoding="utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        (self.folder / "soap" / file).write_text(text, encoding="utf-8")
        for kept in (self.folder / "data").glob("wsdl-*"):
            kept.unlink()

    def clear(self) -> None:
        """Empties the services."""
        self.describe("uji.xsd", {})
        for path in (self.folder / "data").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def put(self, file: str, document: Any) -> None:
        """Gives a service a document, whole at any time."""
        self._replace(file, json.dumps(document))

    def put_rows(self, file: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Gives a service a file of rows: lines of JSON, all of the same length."""
        lines = [json.dumps(row) for row in rows]
        width = max(map(len, lines), default=0)
        self._replace(file, "".join(f"{line:{width}}\n" for line in lines))

    def _replace(self, file: str, text: str) -> None:
        path = self.folder / "data" / file
        new = path.with_suffix(".baru")
        new.write_text(text, encoding="ascii")
        new.replace(path)

    def lines(self, file: str) -> list[str]:
        """The lines that a service has written."""
        path = self.folder / "data" / file
        return path.read_text(encoding="utf-8").split() if path.exists() else []

    def documents(self, folder: str) -> list[dict[str, Any]]:
        """The documents that a service has written into a folder."""
        return [json.loads(path.read_bytes()) for path in (self.folder / "data" / folder).glob("*")]
