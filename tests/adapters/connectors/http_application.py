"""An application that speaks HTTP, as offices have them: rows in a store of its own, for whoever proves who they are by
a key, a password or OAuth2; several styles of paging, a door for what others push, and faults on demand.
``/kendali/…`` is what a test does to it. Served by uvicorn.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.servers.kept import Kept

CLIENT, CLIENT_SECRET = "dinkes", "kunci:rahasia/ä"
USER, PASSWORD = "petugas", "sandi:rahasia/ä"
API_KEY = "kunci"
BASIC = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


@dataclass
class Token:
    """What it is still good for."""

    end: float
    uses: float


class Store:
    """The application's own data. It forgets tokens and what it is about to do wrong where it is killed, and no row."""

    def __init__(self) -> None:
        self.kept = Kept("""
            CREATE TABLE IF NOT EXISTS baris (kunci INTEGER PRIMARY KEY, nilai TEXT, urutan INTEGER);
            CREATE INDEX IF NOT EXISTS menurut_urutan ON baris (urutan, kunci);
            CREATE TABLE IF NOT EXISTS diterima (kunci TEXT PRIMARY KEY, tempat INTEGER, nilai TEXT);
            CREATE TABLE IF NOT EXISTS dijawab (peristiwa TEXT PRIMARY KEY);
        """)
        self.db = self.kept.db
        self.number = 100
        self.tokens: dict[str, Token] = {}  # by the header that has it
        self.given = 0  # tokens
        self.life: Any = 3600  # of a token, as its answer says
        self.ends: float = inf  # seconds, and requests, after which it is refused whatever was said
        self.uses: float = inf
        self.requests: list[str] = []
        self.refused: str | None = None
        self.adds = False  # answers with a field more
        self.gone = 0  # the status of whoever asks for a door that is no more
        self.fails_every = 0
        self.count = 0
        self.forgets = 0  # how many next pages that are asked for are gone
        self.waits: list[str] = []  # the Retry-After of the answers to come, 503
        self.value = "nilai"  # what it is called
        self.more: dict[str, Any] = {}  # that each row has
        vars(self).update(self.kept.values())

    def set(self, **values: Any) -> None:
        """Has other values from now on."""
        self.kept.set(**values)
        vars(self).update(values)

    def write(self, rows: list[tuple[int, str]], number: int | None = None) -> None:
        with self.kept.whole():
            for key, value in rows:
                old = self.db.execute("SELECT nilai FROM baris WHERE kunci = ?", (key,)).fetchone()
                if old == (value,):
                    continue
                self.number += number is None
                row = (key, value, self.number if number is None else number)
                self.db.execute("INSERT OR REPLACE INTO baris VALUES (?, ?, ?)", row)
            self.kept.set(number=self.number)

    def rows(self, since: int, limit: int, offset: int) -> list[dict[str, Any]]:
        query = "SELECT kunci, nilai, urutan FROM baris WHERE urutan >= ? ORDER BY urutan, kunci LIMIT ? OFFSET ?"
        return [self.shown(row) for row in self.db.execute(query, (since, limit, offset))]

    def shown(self, row: tuple[int, str, int]) -> dict[str, Any]:
        """A row as others see it."""
        return dict(zip(("kunci", self.value, "urutan"), row, strict=True)) | self.more

    def take(self, rows: list[dict[str, Any]]) -> bool:
        """What others push, all or nothing: each event once, an older one never over a newer one. False where a value
        is forbidden; such an event is not kept, since it may be allowed later.
        """
        forbidden = self.refused is not None and self.refused in {row["nilai"] for row in rows}
        with self.kept.whole():
            if len(rows) == 1 or not forbidden:  # of a list that is refused nobody knows which of them was heard
                self.kept.add("heard", *(row["peristiwa"] for row in rows))
            if not forbidden:
                for row in rows:
                    self._apply(**row)
        return not forbidden

    def _apply(self, kunci: str, nilai: str, peristiwa: str, urutan: int) -> None:
        if not self.db.execute("INSERT OR IGNORE INTO dijawab VALUES (?)", (peristiwa,)).rowcount:
            return
        newest = self.db.execute("SELECT tempat FROM diterima WHERE kunci = ?", (kunci,)).fetchone()
        if newest is None or urutan >= newest[0]:
            self.db.execute("INSERT OR REPLACE INTO diterima VALUES (?, ?, ?)", (kunci, urutan, nilai))
            self.kept.add("writes", peristiwa)


store = Store()


def guarded(call: Any) -> Any:
    """Lets in whoever proves who they are, by the key, the password or a token that is still good."""

    async def answered(request: Request) -> Response:
        header = request.headers.get("Authorization", "")
        known = request.headers.get("X-API-Key") == API_KEY or header == BASIC or _bears(header)
        answer: Response = await call(request) if known else Response(status_code=401)
        return answer

    return answered


def _bears(header: str) -> bool:
    """Whether a header has a token that is good for one more request."""
    token = store.tokens.get(header)
    if token is None or monotonic() >= token.end or token.uses < 1:
        return False
    token.uses -= 1
    return True


async def rows(request: Request) -> Response:
    """Rows behind ``sejak``, in the style of paging that the path names."""
    store.requests.append(request.url.query)
    if store.waits:
        return Response(status_code=503, headers={"Retry-After": store.waits.pop(0)})
    asked, style = request.query_params, request.path_params["style"]
    size = int(asked.get("jumlah", 100))
    first = {
        "page": (int(asked.get("halaman", 1)) - 1) * size,
        "offset": int(asked.get("mulai", 0)),
        "cursor": int(asked.get("sesudah", 0)),
        "next": int(asked.get("sesudah", 0)),
        "link": int(asked.get("sesudah", 0)),
        "none": 0,
    }[style]
    if first and store.forgets:
        store.forgets -= 1
        return Response(status_code=410)
    since = int(asked.get("sejak", 0))
    found = store.rows(since, 10**9 if style == "none" else size + 1, first)
    more, found = len(found) > size and style != "none", found if style == "none" else found[:size]
    onward = str(request.url.include_query_params(sesudah=first + size))
    document: Any = {"data": {"baris": found}, "meta": {}}
    headers = {}
    if more and style == "cursor":
        document["meta"]["next"] = str(first + size)
    if more and style == "next":
        document["meta"]["next"] = onward.partition("//")[2].partition("/")[2].join(["/", ""])
    if style == "link":
        document = found
        headers["Link"] = f'<{onward}>; rel="next"' if more else ""
    body = json.dumps(document).encode()
    headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()}"'
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


async def one_row(request: Request) -> Response:
    """One row by its key."""
    key = (request.path_params["key"],)
    row = store.db.execute("SELECT kunci, nilai, urutan FROM baris WHERE kunci = ?", key).fetchone()
    return JSONResponse({"data": store.shown(row)} if row else {}, 200 if row else 404)


async def token(request: Request) -> Response:
    """OAuth2 client credentials, by header or form."""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    header = request.headers.get("Authorization", "")
    given = (form.get("client_id"), form.get("client_secret"))
    if header:
        user, _, password = b64decode(header.removeprefix("Basic ")).decode().partition(":")
        decoded = parse_qs(f"u={user}&p={password}")
        given = (decoded["u"][0], decoded["p"][0])
    if given != (CLIENT, CLIENT_SECRET) or form.get("grant_type") != "client_credentials":
        return JSONResponse({"error": "invalid_client"}, 401)
    store.given += 1
    store.tokens[f"Bearer token{store.given}"] = Token(monotonic() + store.ends, store.uses)
    return JSONResponse({"access_token": f"token{store.given}", "token_type": "Bearer", "expires_in": store.life})


async def safe(_request: Request) -> Response:
    """Something for who is let in."""
    return JSONResponse({})


async def echo(request: Request) -> Response:
    """The headers and the body that have arrived."""
    return JSONResponse({"headers": dict(request.headers), "body": (await request.body()).decode()})


async def answer(request: Request) -> Response:
    """The status that is asked for."""
    store.requests.append(request.url.path)
    names = {"retry": "Retry-After", "link": "Link"}
    headers = {name: wanted for asked, name in names.items() if (wanted := request.query_params.get(asked))}
    return JSONResponse({"nik": "3571010101900001"}, request.path_params["status"], headers)


async def redirect(request: Request) -> Response:
    """Somewhere else, or here again."""
    return RedirectResponse(request.query_params.get("ke", "/alih"), 302)


async def slow(_request: Request) -> Response:
    """An answer that comes late."""
    await asyncio.sleep(5)
    return Response()


async def large(_request: Request) -> Response:
    """An answer that fills memory."""
    return Response(b"0" * (33 * 1024 * 1024))


async def receive(request: Request) -> Response:
    """What others push: a row with its event in the headers, or a list of rows that have it beside them."""
    if store.gone:
        return Response(status_code=store.gone)
    store.count += 1
    fault = store.fails_every and store.count % store.fails_every == 0
    if fault and store.count % 2:
        return Response(status_code=503, headers={"Retry-After": "0"})
    document, headers = json.loads(await request.body()), request.headers
    alone = {"peristiwa": headers["Idempotency-Key"], "urutan": headers.get("ce-sequence")}
    taken = store.take([row | {"urutan": int(row["urutan"])} for row in document.get("baris", [document | alone])])
    if fault:  # applied, and the answer says otherwise
        return Response(status_code=500)
    return JSONResponse({"nomor": store.count} if store.adds else {}) if taken else JSONResponse({"pesan": "-"}, 422)


async def control(request: Request) -> Response:
    """What a test does to the application, and sees of it."""
    global store  # noqa: PLW0603 - a process has one application, and a test gets a fresh one
    given = json.loads(await request.body() or b"null")
    match request.path_params["what"]:
        case "kosong":
            store.kept.clear()
            store.kept.close()
            store = Store()
        case "tulis":
            store.write(given)
        case "tulis-awal":
            store.write(given, number=1)
        case "hapus":
            store.db.execute("DELETE FROM baris WHERE kunci = ?", (given,))
        case "cabut":
            store.tokens.clear()
        case "atur":
            store.set(**given)
    seen = {"requests": store.requests, "tokens": store.given}
    told = {name: store.kept.lines(name) for name in ("heard", "writes")}
    rows = dict(store.db.execute("SELECT kunci, nilai FROM diterima").fetchall())
    return JSONResponse({**seen, **told, "rows": rows})


app = Starlette(
    routes=[
        Route("/baris/{style}", guarded(rows)),
        Route("/satu/{key:int}", guarded(one_row)),
        Route("/token", token, methods=["POST"]),
        Route("/aman", guarded(safe), methods=["GET", "POST"]),
        Route("/gema", echo, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/gema/{path:path}", echo, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/jawab/{status:int}", answer, methods=["GET", "POST", "DELETE"]),
        Route("/alih", redirect, methods=["GET", "POST"]),
        Route("/lambat", slow),
        Route("/besar", large),
        Route("/terima", guarded(receive), methods=["POST"]),
        Route("/kendali/{what}", control, methods=["POST"]),
    ]
)
