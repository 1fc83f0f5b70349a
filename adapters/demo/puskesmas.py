"""The community health centre's application: a REST interface over a database of its own, as e-Puskesmas has one.

What comes again with the same `Idempotency-Key` is answered as before and kept once; of two events about one child the
newer one, by `ce-sequence`, stays.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from adapters.demo.databases import transaction

_NEWBORN = "INSERT INTO kelahiran VALUES (:event_id, :nik_ibu, :tanggal_lahir, :jenis_kelamin, :berat)"
_CHILD = """
INSERT INTO sasaran VALUES (:nik, :tanggal_lahir, :jenis_kelamin, :kode_wilayah, :urutan, :event_id)
ON CONFLICT (nik) DO UPDATE SET tanggal_lahir = excluded.tanggal_lahir, jenis_kelamin = excluded.jenis_kelamin,
    kode_wilayah = excluded.kode_wilayah, urutan = excluded.urutan, event_id = excluded.event_id
WHERE excluded.urutan > sasaran.urutan
"""
_MOVE = "INSERT INTO kepindahan VALUES (:event_id, :nik, :arah, :tanggal, :lingkup, :kode_wilayah, :urutan)"
_STATEMENTS = {"kelahiran": _NEWBORN, "sasaran": _CHILD, "kepindahan": _MOVE}


class Puskesmas:
    """The application over one database; ``key`` is what its clients must know."""

    def __init__(self, database: Path, key: str) -> None:
        self._database, self._key = database, key

    def application(self) -> web.Application:
        """Its interface below ``/api/v1``."""
        served = web.Application(middlewares=[self._known])
        served.router.add_get("/api/v1/imunisasi", self._doses)
        served.router.add_put("/api/v1/{list:kelahiran|sasaran|kepindahan}/{name}", self._put)
        served.router.add_delete("/api/v1/{list:kelahiran|sasaran|kepindahan}/{name}", self._delete)
        return served

    @web.middleware
    async def _known(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if not hmac.compare_digest(request.headers.get("X-API-Key", ""), self._key):
            raise web.HTTPUnauthorized
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _doses(self, _request: web.Request) -> web.Response:
        """Whom the day's newborns are immunised by is seen tomorrow."""
        return web.json_response({"data": []})

    async def _put(self, request: web.Request) -> web.Response:
        given = json.loads(await request.read())
        entry = {
            **dict.fromkeys(("jenis_kelamin", "berat", "kode_wilayah", "lingkup")),
            **given,
            "event_id": request.headers["Idempotency-Key"],
            "urutan": request.headers["ce-sequence"],
        }
        await asyncio.to_thread(self._keep, request.match_info["list"], entry)
        return web.json_response({})

    def _keep(self, kind: str, entry: Mapping[str, Any]) -> None:
        with transaction(self._database) as own:
            if not own.execute("INSERT OR IGNORE INTO terjawab VALUES (:event_id)", entry).rowcount:
                return
            if kind == "sasaran" or not self._withdrawn(own, entry["event_id"]):
                own.execute(_STATEMENTS[kind], entry)

    @staticmethod
    def _withdrawn(own: sqlite3.Connection, name: str) -> bool:
        return own.execute("SELECT 1 FROM dicabut WHERE event_id = ?", (name,)).fetchone() is not None

    async def _delete(self, request: web.Request) -> web.Response:
        await asyncio.to_thread(self._withdraw, request.match_info["list"], request.match_info["name"])
        return web.json_response({})

    def _withdraw(self, kind: str, name: str) -> None:
        with transaction(self._database) as own:
            own.execute("INSERT OR IGNORE INTO dicabut VALUES (?)", (name,))
            named = "nik" if kind == "sasaran" else "event_id"
            own.execute(f"DELETE FROM {kind} WHERE {named} = ?", (name,))  # noqa: S608 - a list of the three routes
