"""e-Puskesmas as its REST interface is to others: doses page by page, newborns and children to immunise by PUT.

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
        self.places: dict[str, int] = {}  # per entry the place of the event that wrote it
        self.answered: dict[str, int] = {}  # idempotency key -> status


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
    """A newborn or a child to immunise: kept, changed by a newer event alone, taken out."""
    if not _known(request):
        return Response(status_code=401)
    kept = {"kelahiran": store.kelahiran, "sasaran": store.sasaran}[request.path_params["list"]]
    name = request.path_params["name"]
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
    return JSONResponse({"kelahiran": store.kelahiran, "sasaran": store.sasaran, "dosis": list(store.doses.values())})


app = Starlette(
    routes=[
        Route("/api/v1/imunisasi", doses),
        Route("/api/v1/{list}/{name}", entry, methods=["PUT", "DELETE"]),
        Route("/kendali/{what}", control, methods=["POST"]),
    ]
)
