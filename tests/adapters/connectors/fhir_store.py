"""What the FHIR server of the tests has: resources in SQLite, each one held against R4's models and looked at for what
it refers to; and what a test has asked of it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from starlette.responses import JSONResponse

from tests.adapters.connectors.fhir_models import fault_of
from tests.servers.kept import Kept

KEY, EVENT = "urn:uji:kunci", "urn:uji:peristiwa"
WIB = timezone(timedelta(hours=7))
PLACE = re.compile(r"urn:opd-bus:\w+:(\d+):")


class Outcome(Exception):
    """A request that is answered with an OperationOutcome."""

    def __init__(self, status: int, code: str, diagnostics: str = "", expression: str = "", **headers: str) -> None:
        issue: dict[str, Any] = {"severity": "error", "code": code, "diagnostics": diagnostics or code}
        if expression:
            issue["expression"] = [expression]
        body = {"resourceType": "OperationOutcome", "issue": [issue]}
        if fault := fault_of(body):
            raise AssertionError(fault)
        self.answer = JSONResponse(body, status, headers, media_type="application/fhir+json")


class Store:
    """The server's resources, and what a test has asked of it."""

    def __init__(self) -> None:
        self.kept = Kept("""
            CREATE TABLE IF NOT EXISTS resource (
                type TEXT, id TEXT, version INTEGER, updated REAL, body TEXT, PRIMARY KEY (type, id));
            CREATE INDEX IF NOT EXISTS by_time ON resource (type, updated, id);
            CREATE TABLE IF NOT EXISTS identifier (
                type TEXT, system TEXT, value TEXT, id TEXT, PRIMARY KEY (type, system, value, id)) WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS by_id ON identifier (type, id);
        """)
        self.db = self.kept.db
        self.number = 0
        self.tokens: set[str] = set()
        self.life: Any = "3599"
        self.requests: list[str] = []
        self.refused: str | None = None
        self.waits: list[str] = []  # the Retry-After of the answers to come, 429
        self.adds = False  # an element more to each resource
        self.gone = 0  # the status of whoever asks for a type that is no more
        self.fails_every = 0
        self.count = 0
        self.forgets = 0  # how many next pages that are asked for are gone
        self.keeps_source = True
        self.heeds_conditions = True
        self.own_rule = False  # against resources of one identifier
        self.makes = False  # whoever is looked for by the key is there, as an earlier event has made them
        self.address = ""  # that it gives its pages; none: the one that was called
        self.value = "nilai"  # a Patient's name has it as its text; otherwise it has none
        self.more: dict[str, Any] = {}  # that each Patient has who is written
        self.races = 0  # writes of others between the look and the write to come
        self.bundles = 0  # the status of whoever sends one; none: it takes them
        vars(self).update(self.kept.values())

    def set(self, **values: Any) -> None:
        """Has other values from now on."""
        self.kept.set(**values)
        vars(self).update(values)

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        row = self.db.execute("SELECT body FROM resource WHERE type = ? AND id = ?", (kind, name)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, resource: dict[str, Any], name: str = "", *, ago: float = 0) -> dict[str, Any]:
        """Validates and stores a resource."""
        kind = resource["resourceType"]
        if fault := fault_of(resource):
            raise Outcome(422, fault.code, f"{fault.told}: {json.dumps(resource)}", fault.path)
        if self.refused is not None and self.refused in json.dumps(resource):
            raise Outcome(422, "business-rule", f"{self.refused} is forbidden", f"{kind}.name[0].text")
        for reference in _references(resource):
            if self.get(*reference.split("/", 1)) is None:
                raise Outcome(422, "not-found", f"{reference} is not known")
        if not name:
            self.number += 1
            name = f"r{self.number}"
        before = self.get(kind, name)
        updated = time.time() - ago
        meta = {
            **resource.get("meta", {}),
            "versionId": str(int(before["meta"]["versionId"]) + 1 if before else 1),
            "lastUpdated": datetime.fromtimestamp(updated, WIB).isoformat(timespec="milliseconds"),
        }
        if not self.keeps_source:
            meta.pop("source", None)
        added = {"active": True} if self.adds else {}
        stored = {**resource, **added, "id": name, "meta": meta}
        row = (kind, name, meta["versionId"], round(updated, 3), json.dumps(stored))
        named = [(kind, i.get("system", ""), i["value"], name) for i in stored.get("identifier", ()) if "value" in i]
        with self.kept.whole():
            self.db.execute("INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?)", row)
            self.db.execute("DELETE FROM identifier WHERE type = ? AND id = ?", (kind, name))
            self.db.executemany("INSERT OR REPLACE INTO identifier VALUES (?, ?, ?, ?)", named)
            self.kept.add("writes", *events(stored))
            self.kept.set(number=self.number)
        return stored

    def find(self, kind: str, token: str) -> list[str]:
        """The ids of resources with an identifier, ``system|value``."""
        system, value = (re.sub(r"\\([\\,|$])", r"\1", part) for part in re.split(r"(?<!\\)\|", token, maxsplit=1))
        query = "SELECT id FROM identifier WHERE type = ? AND system = ? AND value = ? ORDER BY id"
        return [row[0] for row in self.db.execute(query, (kind, system, value))]

    def rows(self) -> dict[str, str]:
        """The name of each key's Patient, of the newest event where it has several."""
        newest: dict[str, tuple[int, str]] = {}
        for (body,) in self.db.execute("SELECT body FROM resource WHERE type = 'Patient'"):
            patient = json.loads(body)
            for key in (each["value"] for each in patient.get("identifier", ()) if each.get("system") == KEY):
                found = PLACE.match(patient["meta"].get("source", ""))
                name = (int(found[1]) if found else 0, patient["name"][0].get("text", ""))
                newest[key] = max(newest.get(key, (0, "")), name)
        return {key: name for key, (_, name) in newest.items()}


def _references(element: Any) -> Iterator[str]:
    if isinstance(element, dict):
        for name, value in element.items():
            yield from [value] if name == "reference" else _references(value)
    elif isinstance(element, list):
        for each in element:
            yield from _references(each)


def events(resource: dict[str, Any]) -> list[str]:
    """The event that a resource was written from."""
    return [each["value"] for each in resource.get("identifier", ()) if each.get("system") == EVENT]
