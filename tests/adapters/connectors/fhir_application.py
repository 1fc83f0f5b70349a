"""A FHIR R4 server over its store: search by _lastUpdated and identifier, paging, conditional create, versions and
updates that heed them, patches, batches, OAuth2 as SATUSEHAT has it, and faults on demand. ``/kendali/…`` is what a
test does to it. Served by uvicorn.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.adapters.connectors.fhir_store import KEY, Outcome, Store, events

CLIENT, CLIENT_SECRET = "kediri", "rahasia dinkes/ä"
TYPES = ("Patient", "Encounter", "Condition", "Immunization", "Organization")
UNTOUCHED = "belum"  # the name of who was made for being looked for
COMPARED = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


store = Store()


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
    store.kept.add("heard", *events(resource))
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
    store.kept.add("heard", *events(resource))
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
