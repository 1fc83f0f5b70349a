"""A FHIR R4 server: resources in SQLite, each one held against R4's models and looked at for what it refers to; search
by _lastUpdated and identifier, paging, conditional create, versions and updates that heed them, patches, OAuth2 as
SATUSEHAT has it, and faults on demand. ``/kendali/…`` is what a test does to it. Served by uvicorn.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.adapters.connectors.fhir_models import fault_of
from tests.servers.kept import Kept

CLIENT, CLIENT_SECRET = "kediri", "rahasia dinkes/ä"
TYPES = ("Patient", "Encounter", "Condition", "Immunization", "Organization")
KEY, EVENT = "urn:uji:kunci", "urn:uji:peristiwa"
UNTOUCHED = "belum"  # the name of who was made for being looked for
WIB = timezone(timedelta(hours=7))
COMPARED = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
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
        _validate(kind, resource)
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
            self.kept.add("writes", *_events(stored))
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


store = Store()


def _validate(kind: str, resource: dict[str, Any]) -> None:
    if fault := fault_of(resource):
        raise Outcome(422, fault.code, f"{fault.told}: {json.dumps(resource)}", fault.path)
    if store.refused is not None and store.refused in json.dumps(resource):
        raise Outcome(422, "business-rule", f"{store.refused} is forbidden", f"{kind}.name[0].text")


def _references(element: Any) -> Iterator[str]:
    if isinstance(element, dict):
        for name, value in element.items():
            yield from [value] if name == "reference" else _references(value)
    elif isinstance(element, list):
        for each in element:
            yield from _references(each)


def _events(resource: dict[str, Any]) -> list[str]:
    """The event that a resource was written from."""
    return [each["value"] for each in resource.get("identifier", ()) if each.get("system") == EVENT]


def _kind(request: Request) -> str:
    kind: str = request.path_params["kind"]
    if kind not in TYPES or store.gone:
        raise Outcome(store.gone or 404, "not-supported")
    return kind


def _answer(resource: Any, status: int = 200, kind: str = "") -> Response:
    headers = {}
    if "meta" in resource:
        headers = {"ETag": f'W/"{resource["meta"]["versionId"]}"', "Location": f"{kind}/{resource['id']}"}
    return JSONResponse(resource, status, headers, media_type="application/fhir+json")


async def of_type(request: Request) -> Response:
    """Search, and create, with a condition or without."""
    kind = _kind(request)
    if request.method == "GET":
        return _search(request, kind)
    resource = _body(kind, await request.body())
    store.kept.add("heard", *_events(resource))
    condition = request.headers.get("If-None-Exist") if store.heeds_conditions else None
    if store.own_rule and any(store.find(kind, f"{i['system']}|{i['value']}") for i in resource["identifier"]):
        raise Outcome(400, "duplicate", "20002")
    ids = store.find(kind, _identifier(condition)) if condition else []
    if len(ids) > 1:
        raise Outcome(412, "multiple-matches")
    if ids:
        return _answer(store.get(kind, ids[0]) or {}, 200, kind)
    return _answer(store.put(resource), 201, kind)


def _body(kind: str, body: bytes) -> dict[str, Any]:
    resource = json.loads(body)
    if resource.get("resourceType") != kind:
        raise Outcome(400, "invalid", "another type than the address says")
    return dict(resource)


def _identifier(query: str) -> str:
    tokens = [value for name, value in parse_qsl(query) if name == "identifier"]
    if len(tokens) != 1:
        raise Outcome(412, "not-found", "the condition names no identifier")
    return tokens[0]


def _updated(request: Request, kind: str, resource: dict[str, Any], name: str) -> Response:
    store.kept.add("heard", *_events(resource))
    current = store.get(kind, name)
    if store.races and current:
        store.races -= 1
        current = store.put(current, name)
    wanted = request.headers.get("If-Match")
    if wanted and (current is None or wanted != f'W/"{current["meta"]["versionId"]}"'):
        raise Outcome(412, "conflict")
    if resource.get("id", name) != name:
        raise Outcome(400, "invalid", "the id is another one")
    return _answer(store.put(resource, name), 200 if current else 201, kind)


def _search(request: Request, kind: str) -> Response:
    asked = request.query_params
    size, offset = int(asked.get("_count", 20)), int(asked.get("_halaman", 0))
    if offset and store.forgets:
        store.forgets -= 1
        raise Outcome(410, "expired", "the search is not known any more")
    where, values = ["type = ?"], [kind]
    for text in asked.getlist("_lastUpdated"):
        moment = datetime.fromisoformat(text[2:]).astimezone(UTC).timestamp()
        where.append(f"updated {COMPARED[text[:2]]} {moment!r}")
    if token := asked.get("identifier"):
        ids = store.find(kind, token)
        if store.makes and not ids and token.startswith(f"{KEY}|"):
            made = _patient(token.partition("|")[2], UNTOUCHED) | {"meta": {"source": f"urn:opd-bus:OPD_UJI:0:{0:016}"}}
            ids = [store.put(made)["id"]]
        where.append(f"id IN ({','.join('?' * len(ids))})")
        values += ids
    if asked.get("_sort", "_lastUpdated") != "_lastUpdated":
        raise Outcome(400, "not-supported", "this order")
    query = f"SELECT body FROM resource WHERE {' AND '.join(where)} ORDER BY updated, id LIMIT ? OFFSET ?"
    bodies = [body for (body,) in store.db.execute(query, (*values, size + 1, offset))]
    links = [{"relation": "self", "url": str(request.url)}]
    if len(bodies) > size:
        onward = str(request.url.include_query_params(_halaman=offset + size))
        base = str(request.base_url)
        links.append({"relation": "next", "url": onward.replace(base, store.address or base)})
    entries = ", ".join(f'{{"resource": {body}, "search": {{"mode": "match"}}}}' for body in bodies[:size])
    text = f'{{"resourceType": "Bundle", "type": "searchset", "link": {json.dumps(links)}, "entry": [{entries}]}}'
    return Response(text if entries else text.replace(', "entry": []', ""), media_type="application/fhir+json")


async def of_one(request: Request) -> Response:
    """Read, update and patch of one resource."""
    kind, name = _kind(request), request.path_params["name"]
    current = store.get(kind, name)
    if request.method == "PUT":
        return _updated(request, kind, _body(kind, await request.body()), name)
    if current is None:
        raise Outcome(404, "not-found")
    if request.method == "GET":
        return _answer(current, 200, kind)
    if request.headers["Content-Type"] != "application/json-patch+json":
        raise Outcome(415, "not-supported")
    patched = dict(current)
    for step in json.loads(await request.body()):
        *parents, element = step["path"][1:].split("/")
        if step["op"] not in {"add", "replace"} or parents not in ([], ["meta"]):
            raise Outcome(400, "not-supported", "this step")
        (patched["meta"] if parents else patched)[element] = step["value"]
    return _updated(request, kind, patched, name)


async def of_bundle(request: Request) -> Response:
    """A batch: each of its requests is answered by itself; as a whole it is refused where one cannot be read."""
    if store.bundles:
        raise Outcome(store.bundles, "not-supported")
    entries = json.loads(await request.body())["entry"]
    if any("resourceType" not in entry.get("resource", {"resourceType": ""}) for entry in entries):
        raise Outcome(400, "structure")
    answers = [await _answered(request, entry) for entry in reversed(entries)]  # in an order of its own
    listed = [_told(answer) for answer in reversed(answers)]
    return JSONResponse({"resourceType": "Bundle", "type": "batch-response", "entry": listed})


async def _answered(bundle: Request, entry: dict[str, Any]) -> Response:
    asked = entry["request"]
    path, _, query = asked["url"].partition("?")
    kind, _, name = path.partition("/")
    conditions = {"ifNoneExist": b"if-none-exist", "ifMatch": b"if-match"}
    headers = [(header, asked[name].encode()) for name, header in conditions.items() if name in asked]
    body = json.dumps(entry.get("resource")).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    scope = {**bundle.scope, "method": asked["method"], "query_string": query.encode(), "headers": headers}
    request = Request({**scope, "path_params": {"kind": kind, "name": name}}, receive)
    try:
        return await (of_one if name else of_type)(request)
    except Outcome as outcome:
        return outcome.answer


def _told(answer: Response) -> dict[str, Any]:
    document = json.loads(bytes(answer.body))
    part = "outcome" if document["resourceType"] == "OperationOutcome" else "resource"
    response: dict[str, Any] = {"status": f"{answer.status_code} -"}
    return (
        {"response": response | {"outcome": document}} if part == "outcome" else {part: document, "response": response}
    )


async def token(request: Request) -> Response:
    """OAuth2 as SATUSEHAT has it: the kind of grant in the address, client and secret in the form."""
    form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    if request.query_params.get("grant_type") != "client_credentials" or "grant_type" in form:
        return JSONResponse({"fault": "grant_type"}, 400)
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT, CLIENT_SECRET):
        return JSONResponse({"fault": "client"}, 401)
    store.number += 1
    store.tokens.add(given := f"token{store.number}")
    return JSONResponse({"access_token": given, "token_type": "BearerToken", "expires_in": store.life})


async def control(request: Request) -> Response:
    """What a test does to the server, and sees of it."""
    global store  # noqa: PLW0603 - a process has one server, and a test gets a fresh one
    given = json.loads(await request.body() or b"null")
    match request.path_params["what"]:
        case "kosong":
            store.kept.clear()
            store.kept.close()
            store = Store()
        case "tulis" | "tulis-awal":
            with store.kept.whole():
                for key, value in given:
                    store.put(_patient(key, value), f"k{key}", ago=5 if request.url.path.endswith("awal") else 0)
        case "simpan":
            store.put(given, given.get("id", ""))
        case "hapus":
            store.db.execute("DELETE FROM resource WHERE type = 'Patient' AND id = ?", (f"k{given}",))
        case "cabut":
            store.tokens.clear()
        case "atur":
            store.set(**given)
        case "isi":
            bodies = store.db.execute("SELECT body FROM resource WHERE type = ? ORDER BY updated, id", (given,))
            return JSONResponse({"resources": [json.loads(body) for (body,) in bodies]})
    told = {name: store.kept.lines(name) for name in ("heard", "writes")}
    return JSONResponse({"requests": store.requests, **told, "rows": store.rows()})


def _patient(key: Any, value: str) -> dict[str, Any]:
    identifier = [{"system": KEY, "value": str(key)}]
    name = {"text" if store.value == "nilai" else "family": value}
    return {"resourceType": "Patient", "identifier": identifier, "name": [name], **store.more}


async def guarded(request: Request, call: Any) -> Response:
    """Whoever has a token gets through; what goes wrong is an OperationOutcome."""
    store.requests.append(f"{request.method} {request.url.path.removeprefix('/fhir/')}?{request.url.query}".rstrip("?"))
    try:
        _admit(request)
        store.count += 1
        fault = store.fails_every and store.count % store.fails_every == 0
        _fail(fault and store.count % 2, 503, "transient")
        answer: Response = await call(request)
        _fail(fault, 500, "exception")  # done, and the answer says otherwise
    except Outcome as outcome:
        return outcome.answer
    return answer


def _admit(request: Request) -> None:
    if request.headers.get("Authorization", "").removeprefix("Bearer ") not in store.tokens:
        raise Outcome(401, "login")
    if store.waits:
        raise Outcome(429, "throttled", **{"Retry-After": store.waits.pop(0)})


def _fail(fails: Any, status: int, code: str) -> None:
    if fails:
        raise Outcome(status, code, **{"Retry-After": "0"})


def _within(call: Any) -> Any:
    async def answered(request: Request) -> Response:
        return await guarded(request, call)

    return answered


app = Starlette(
    routes=[
        Route("/fhir", _within(of_bundle), methods=["POST"]),
        Route("/fhir/{kind}", _within(of_type), methods=["GET", "POST"]),
        Route("/fhir/{kind}/{name}", _within(of_one), methods=["GET", "PUT", "PATCH"]),
        Route("/oauth2/v1/accesstoken", token, methods=["POST"]),
        Route("/kendali/{what}", control, methods=["POST"]),
    ]
)
