"""e-Puskesmas as its REST interface is to others: doses page by page, newborns, children to immunise and moves by PUT.

Served by uvicorn; ``/kendali/…`` is what its clerks do to it.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY = "kunci-puskesmas"


class Store:
    """The application's own data."""

    def __init__(self) -> None:
        self.doses: dict[int, dict[str, Any]] = {}
        self.kelahiran: dict[str, dict[str, Any]] = {}
        self.sasaran: dict[str, dict[str, Any]] = {}
        self.kepindahan: dict[str, dict[str, Any]] = {}
        self.withdrawn: set[str] = set()  # moves, also those that have not come yet
        self.places: dict[str, int] = {}  # per entry the place of the event that wrote it
        self.answered: dict[str, int] = {}  # idempotency key -> status

    def targets(self) -> dict[str, dict[str, Any]]:
        """The children to immunise in this city, each where it lives now."""
        targets = {}
        for nik, child in self.sasaran.items():
            move = self._move(nik)
            if move.get("arah") != "keluar" or move["lingkup"] in {"KELURAHAN", "KECAMATAN"}:
                targets[nik] = child | {name: move[name] for name in ("kode_wilayah",) if name in move}
        return targets

    def _move(self, nik: str) -> dict[str, Any]:
        """The newest move of a child: the newest of each direction unless it is withdrawn, of the two the newer."""
        moves = sorted(
            (self.places[name], name, each["arah"]) for name, each in self.kepindahan.items() if each["nik"] == nik
        )
        newest = {way: (place, name) for place, name, way in moves}.values()
        _, name = max((each for each in newest if each[1] not in self.withdrawn), default=(0, ""))
        return self.kepindahan.get(name, {})


store = Store()


def _known(request: Request) -> bool:
    return request.headers.get("X-API-Key") == KEY


async def doses(request: Request) -> Response:
    """Doses, the oldest change first."""
    if not _known(request):
        return Response(status_code=401)
    asked = request.query_params
    since, size, page = asked.get("updated_since", ""), int(asked.get("per_page", 15)), int(asked.get("page", 1))
    found = sorted(
        (d for d in store.doses.values() if d["updated_at"] >= since), key=lambda d: (d["updated_at"], d["id"])
    )
    part = found[(page - 1) * size : page * size]
    return JSONResponse({"data": part, "meta": {"current_page": page, "per_page": size, "total": len(found)}})


async def entry(request: Request) -> Response:
    """A newborn, a child to immunise or a move: kept, changed by a newer event alone, taken out."""
    if not _known(request):
        return Response(status_code=401)
    lists = {"kelahiran": store.kelahiran, "sasaran": store.sasaran, "kepindahan": store.kepindahan}
    kept, name = lists[request.path_params["list"]], request.path_params["name"]
    if request.method == "DELETE" and kept is store.kepindahan:
        store.withdrawn.add(name)
        return Response(status_code=204)
    if request.method == "DELETE":
        return Response(status_code=200 if kept.pop(name, None) else 404)
    event, place = request.headers["Idempotency-Key"], int(request.headers["ce-sequence"])
    if event not in store.answered:
        body = json.loads(await request.body())
        nik = str(body.get("nik") or body.get("nik_ibu") or "")
        store.answered[event] = status = 200 if len(nik) == 16 else 422
        if status == 200 and place > store.places.get(name, 0):
            store.places[name], kept[name] = place, body
    return JSONResponse({}, store.answered[event])


async def control(request: Request) -> Response:
    """What its clerks do, and what the application has."""
    global store  # noqa: PLW0603 - a process has one application, and a test gets a fresh one
    given = json.loads(await request.body() or b"null")
    match request.path_params["what"]:
        case "kosong":
            store = Store()
        case "dosis":
            store.doses |= {dose["id"]: store.doses.get(dose["id"], {}) | dose for dose in given}
    lists = {"kelahiran": store.kelahiran, "sasaran": store.targets(), "kepindahan": store.kepindahan}
    return JSONResponse({**lists, "dosis": list(store.doses.values())})


app = Starlette(
    routes=[
        Route("/api/v1/imunisasi", doses),
        Route("/api/v1/{list}/{name}", entry, methods=["PUT", "DELETE"]),
        Route("/kendali/{what}", control, methods=["POST"]),
    ]
)
