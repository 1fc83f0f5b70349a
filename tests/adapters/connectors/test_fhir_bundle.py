"""fhir_push in Bundles: what goes together, and what becomes of each where something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.connectors.fhir_bundle import Bundles
from adapters.connectors.fhir_push import FhirPush
from bus.errors import AccessError, ConfigError, Rejected, Unavailable
from bus.ports import Delivery
from bus.testing.lines import until
from tests.adapters.connectors.deliveries import delivery
from tests.adapters.connectors.fhir_office import opened, push
from tests.adapters.connectors.fhir_store import KEY
from tests.adapters.connectors.http_server import HttpServer
from tests.servers.proxy import Proxy

BUNDLE, ALONE = "POST /fhir", "POST Patient"
NAME = {"resourceType": "Patient", "name": [{"text": "{nilai}"}]}
#: What no server should answer to a Bundle.
ODD = [
    b"{}",
    b"<html>",
    b'{"type": "batch-response", "entry": []}',
    b'{"type": "batch-response", "entry": [' + b",".join([b'{"response": {"status": "oke"}}'] * 8) + b"]}",
    b'{"type": "batch-response", "entry": [' + b",".join([b'{"response": null}'] * 8) + b"]}",
    b'{"type": "batch-response", "entry": [' + b",".join([b'{"response": "201"}'] * 8) + b"]}",
]
VISIT = {
    "resourceType": "Encounter",
    "status": "finished",
    "class": {"code": "AMB"},
    "subject": {"reference": f"Patient?identifier={KEY}|{{kunci}}"},
}


def numbered(count: int, **values: str) -> list[Delivery]:
    """Events of as many keys."""
    return [delivery(f"k{number}", values.get(f"k{number}", "isi"), number, f"{number:032}") for number in range(count)]


async def together(sink: FhirPush, deliveries: Sequence[Delivery]) -> list[Any]:
    """Applies events side by side, as the engine does; what became of each."""
    return await asyncio.gather(*(sink.apply([each], None) for each in deliveries), return_exceptions=True)


async def seen(server: HttpServer) -> tuple[int, int, dict[str, str]]:
    """How many Bundles and Patients by themselves the server was asked to take, and whom it has."""
    told = await server.control("lihat")
    return told["requests"].count(BUNDLE), told["requests"].count(ALONE), told["rows"]


async def test_what_is_asked_at_the_same_time_goes_together(fhir_server: HttpServer) -> None:
    async with opened(push(fhir_server.url, bundle=True)) as sink:
        assert await together(sink, numbered(16)) == [()] * 16
        assert await together(sink, numbered(16)) == [()] * 16  # there already
        assert await together(sink, numbered(1)) == [()]
    assert await seen(fhir_server) == (2, 1, {f"k{number}": "isi" for number in range(16)})


async def test_so_does_what_is_looked_up(fhir_server: HttpServer) -> None:
    await fhir_server.control("tulis", [(f"k{number}", "isi") for number in range(5)])
    async with opened(push(fhir_server.url, resource=VISIT, bundle=True, patience=0)) as sink:
        *made, missing = await together(sink, numbered(6))
    assert made == [()] * 5
    assert isinstance(missing, Rejected)
    assert (await seen(fhir_server))[0] == 2  # one that looks, one that writes
    written = (await fhir_server.control("isi", "Encounter"))["resources"]
    assert {each["subject"]["reference"] for each in written} == {f"Patient/kk{number}" for number in range(5)}


async def test_one_that_is_refused_is_refused_alone(fhir_server: HttpServer) -> None:
    await fhir_server.control("atur", {"refused": "terlarang"})
    async with opened(push(fhir_server.url, bundle=True)) as sink:
        outcomes = await together(sink, numbered(8, k3="terlarang"))
    assert [type(each) for each in outcomes] == [Rejected if number == 3 else tuple for number in range(8)]
    assert "business-rule Patient.name[0].text" in str(outcomes[3])
    assert "terlarang" not in str(outcomes[3])
    assert (await seen(fhir_server))[:2] == (1, 0)


@pytest.mark.parametrize("status", [400, 403, 413, 422, 500])
async def test_a_bundle_that_is_refused_as_a_whole_goes_one_by_one(fhir_server: HttpServer, status: int) -> None:
    await fhir_server.control("atur", {"bundles": status})
    async with opened(push(fhir_server.url, bundle=True)) as sink:
        assert await together(sink, numbered(8)) == [()] * 8
    assert await seen(fhir_server) == (1, 8, {f"k{number}": "isi" for number in range(8)})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AccessError),
        (404, ConfigError),
        (405, ConfigError),
        (501, ConfigError),
        (408, Unavailable),
        (429, Unavailable),
        (503, Unavailable),
    ],
)
async def test_what_concerns_all_is_told_to_all(fhir_server: HttpServer, status: int, error: type[Exception]) -> None:
    await fhir_server.control("atur", {"bundles": status})
    async with opened(push(fhir_server.url, bundle=True)) as sink:
        assert {type(each) for each in await together(sink, numbered(8))} == {error}
    assert (await seen(fhir_server))[1:] == (0, {})


async def test_what_changes_between_the_look_and_the_write_is_looked_at_again(fhir_server: HttpServer) -> None:
    options = {"mode": "update", "identifier": f"{KEY}|{{kunci}}", "bundle": True}
    async with opened(push(fhir_server.url, **options)) as sink:
        assert await together(sink, numbered(4)) == [()] * 4
        await fhir_server.control("atur", {"races": 3})  # so many writes of others
        later = [delivery(f"k{number}", "baru", 10 + number, f"{10 + number:032}") for number in range(4)]
        assert await together(sink, later) == [()] * 4
        assert await together(sink, numbered(4)) == [()] * 4  # older ones
    assert await seen(fhir_server) == (2 + 2 + 2 + 1, 0, {f"k{number}": "baru" for number in range(4)})


async def test_a_patch_goes_by_itself(fhir_server: HttpServer) -> None:
    await fhir_server.control("tulis", [(f"k{number}", "lama") for number in range(4)])
    options = {"mode": "patch", "identifier": f"{KEY}|{{kunci}}", "resource": NAME, "bundle": True}
    async with opened(push(fhir_server.url, **options)) as sink:
        assert await together(sink, numbered(4)) == [()] * 4
    bundles, _, rows = await seen(fhir_server)
    assert (bundles, rows) == (1, {f"k{number}": "isi" for number in range(4)})


def test_no_bundle_where_one_that_is_repeated_would_make_resources_twice() -> None:
    with pytest.raises(ValidationError, match="If-None-Exist"):
        push("https://fhir.example", bundle=True, look=True)


async def test_an_end_amid_a_bundle_leaves_nobody_waiting(
    fhir_server: HttpServer, proxy: Callable[[str], Awaitable[Proxy]]
) -> None:
    way = await proxy(fhir_server.url)
    async with opened(push(way.url(fhir_server.url), bundle=True)) as sink:
        await together(sink, numbered(1))
        way.freeze()
        working = [asyncio.create_task(sink.apply([each], None)) for each in numbered(8)]
        bundles = sink._server
        assert isinstance(bundles, Bundles)
        await until(lambda: bool(bundles._sending and not bundles._sending.done() and not bundles._waiting))
        working += [asyncio.create_task(sink.apply([each], None)) for each in numbered(8)]
        await until(lambda: len(bundles._waiting) == 8)
    async with asyncio.timeout(5):
        outcomes = await asyncio.gather(*working, return_exceptions=True)
    assert {type(each) for each in outcomes} == {asyncio.CancelledError}
    way.thaw()


async def test_a_server_that_answers_something_else_is_asked_one_by_one(
    fhir_server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(push(fhir_server.url, bundle=True)) as sink:
        send, bundles = sink._client.send, 0

        async def answered(method: str, url: Any, **request: Any) -> Any:
            nonlocal bundles
            answer = await send(method, url, **request)
            if not str(url).endswith("/fhir"):
                return answer
            bundles += 1
            return replace(answer, body=ODD[bundles - 1])

        monkeypatch.setattr(sink._client, "send", answered)
        for number in range(len(ODD)):
            assert await together(sink, numbered(8)) == [()] * 8
            assert bundles == number + 1
    assert (await seen(fhir_server))[2] == {f"k{number}": "isi" for number in range(8)}
    assert len((await fhir_server.control("lihat"))["writes"]) == 8
