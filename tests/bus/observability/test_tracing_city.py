"""Traces of a running city: one event's way through three departments is one trace, and nothing depends on a collector.

siak -- meninggal --> bansos -- dihentikan --> kas -- objek-pajak --> arsip
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bus.broker.reading import read_stream
from tests.bad_input import offices
from tests.bad_input.collector import Collector, Span
from tests.bad_input.offices import Database, death, emitted, head, subscribed
from tests.bad_input.persons import PERSONS
from tests.bad_input.town import Command, Town

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("tracing_city")]

NOBODY = "http://127.0.0.1:1"  #: refuses every connection
DEATHS = "dinsos_bansos_kependudukan-penduduk-meninggal-v1"
BANSOS = (
    head("dinsos", "bansos")
    + emitted(offices.STOPPED)
    + subscribed(
        offices.DEATH,
        ["nik", "nama", "tempat", "no_akta", "tanggal_meninggal"],
        'handler = "mapping:hentikan"\ndatabase = "env:BANSOS_URL"',
    )
)


@dataclass
class Traced:
    """What the city left."""

    spans: list[Span] = field(default_factory=list)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)  #: of events, by id
    types: dict[str, str] = field(default_factory=dict)  #: of events, by id
    logs: dict[str, str] = field(default_factory=dict)
    where: dict[str, object] = field(default_factory=dict)
    applied: list[int] = field(default_factory=list)  #: rows at the end of the chain, after each part

    def of(self, trace: str) -> dict[str, list[Span]]:
        """The spans of a trace by service and operation, in the order of their ends."""
        found: dict[str, list[Span]] = {}
        for span in sorted(self.spans, key=lambda each: each.ended_ns):
            if span.trace == trace:
                name = f"{span.service} {span.attributes['messaging.operation.name']}"
                found.setdefault(name, []).append(span)
        return found


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """A city with a collector; then one that sends nowhere, and one whose collector is away."""
    return asyncio.run(live(tmp_path_factory.mktemp("traced")))


async def live(folder: Path) -> Traced:
    """Three parts of a day, the same adapters in each."""
    siak, bansos, arsip = offices.siak(folder), offices.bansos(folder), offices.arsip(folder)
    traced = Traced()
    with Collector() as collector:
        async with Town(folder, SIAK_URL=siak.url, BANSOS_URL=bansos.url, ARSIP_URL=arsip.url) as town:
            town.office(offices.SIAK)
            town.office(BANSOS, offices.STOP_AID)
            town.office(offices.KAS, offices.NOTE)
            town.office(offices.ARSIP)
            await town.start()
            a, b, c, d, e, f, g, _ = PERSONS
            # One row alone, so that it is processed alone; then a batch, with one that the handler refuses.
            siak.add("log", death(1, a))
            running = await _running(town, BUS_OTLP_ENDPOINT=collector.endpoint)
            await _until(town, arsip, 1)
            siak.add("log", death(2, b), death(3, c), death(4, f))
            await _until(town, arsip, 3, letters=1)
            await _stop(traced, running, arsip)
            siak.add("log", death(5, d))
            running = await _running(town)
            await _until(town, arsip, 4)
            await _stop(traced, running, arsip)
            siak.add("log", death(6, e), death(7, g))
            running = await _running(town, BUS_OTLP_ENDPOINT=NOBODY, OTEL_BSP_SCHEDULE_DELAY="50")
            await _until(town, arsip, 6)
            await town.until(lambda: all(each.said("spans are dropped") for each in running), "the warning")
            await _stop(traced, running, arsip)
            for stream in ("OPD_DUKCAPIL", "OPD_DINSOS", "OPD_BPPKAD"):
                async for batch in read_stream(town.ops, stream, follow=False):
                    for each in batch:
                        if identity := each.headers.get("ce-id"):
                            traced.headers[identity] = dict(each.headers)
                            traced.types[identity] = each.headers["ce-type"].removeprefix("id.go.kedirikota.")
            first = next(iter(traced.headers))
            traced.where = json.loads((await town.ask("where", first, "--json")).out)
    traced.spans = collector.spans
    return traced


async def _running(town: Town, **environment: str) -> list[Command]:
    names = ("dukcapil/siak", "dinsos/bansos", "bppkad/kas", "dinkes/arsip")
    adapters = [town.run(name, **environment) for name in names]
    for each in adapters:
        await each.start()
    return adapters


async def _until(town: Town, arsip: Database, rows: int, letters: int = 0) -> None:
    async def done() -> bool:
        return len(arsip.ask("SELECT * FROM objek")) >= rows and len(await town.dead_letters()) >= letters

    await town.until(done, f"{rows} rows at the end of the chain")


async def _stop(traced: Traced, adapters: list[Command], arsip: Database) -> None:
    codes = [await each.stop() for each in adapters]
    assert codes == [0] * len(adapters), [each.tail() for each in adapters]
    traced.logs |= {each.log.name: each.log.read_text() for each in adapters}
    traced.applied.append(len(arsip.ask("SELECT * FROM objek")))


def test_one_events_way_is_one_trace(traced: Traced) -> None:
    first = next(iter(traced.headers))  # the event that was alone
    way = traced.of(first)
    assert set(way) >= {
        "dukcapil/siak send",
        "dinsos/bansos process",
        "dinsos/bansos send",
        "bppkad/kas process",
        "bppkad/kas send",
        "dinkes/arsip process",
    }
    chain = [way[f"{service} {operation}"][0] for service, operation in (
        ("dukcapil/siak", "send"), ("dinsos/bansos", "process"), ("dinsos/bansos", "send"),
        ("bppkad/kas", "process"), ("bppkad/kas", "send"), ("dinkes/arsip", "process"),
    )]  # fmt: skip
    assert chain[0].parent == ""
    for before, after in itertools.pairwise(chain):
        assert after.parent == before.span, after.name
    assert [each.kind for each in chain] == ["PRODUCER", "CONSUMER"] * 3
    assert chain[0].attributes["messaging.message.id"] == first


def test_a_batch_has_one_send_span_and_its_events_their_own_traces(traced: Traced) -> None:
    (batch,) = [
        each for each in traced.spans if each.of("send") and each.attributes.get("messaging.batch.message_count") == 3
    ]
    assert (batch.service, batch.kind, batch.parent) == ("dukcapil/siak", "PRODUCER", "")
    assert (
        batch.attributes["messaging.destination.name"] == "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1.{key}"
    )
    sent = [
        identity
        for identity, each in traced.headers.items()
        if each.get("tracestate") == f"bus={batch.trace}-{batch.span}"
    ]
    assert len(sent) == 3
    for identity in sent:
        assert traced.headers[identity]["traceparent"] == f"00-{identity}-{identity[:16]}-01"
    processed = [each for each in traced.spans if each.of("process") and each.service == "dinsos/bansos"]
    linked = {link.trace for each in processed for link in each.links} | {each.trace for each in processed}
    assert set(sent) <= linked


def test_follow_ups_are_in_the_trace_of_their_cause(traced: Traced) -> None:
    traces: dict[str, list[str]] = {}
    for identity, headers in traced.headers.items():
        traces.setdefault(headers["traceparent"].split("-")[1], []).append(traced.types[identity])
    chains = Counter(tuple(sorted(types)) for types in traces.values())
    whole = tuple(sorted((offices.DEATH, offices.STOPPED, offices.TAXED)))
    assert chains == {whole: 6, (offices.DEATH,): 1}  # one was refused
    assert set(traces) == {each for each, kind in traced.types.items() if kind == offices.DEATH}


def test_every_span_follows_the_conventions(traced: Traced) -> None:
    kinds = {"send": "PRODUCER", "receive": "CLIENT", "process": "CONSUMER", "settle": "CLIENT"}
    seen = set()
    for span in traced.spans:
        operation = str(span.attributes["messaging.operation.type"])
        seen.add(operation)
        assert span.kind == kinds[operation]
        assert span.attributes["messaging.system"] == "nats"
        assert (
            span.name
            == f"{span.attributes['messaging.operation.name']} {span.attributes['messaging.destination.template']}"
        )
        assert ("messaging.consumer.group.name" in span.attributes) == (operation != "send")
        assert ("messaging.message.id" in span.attributes) != ("messaging.batch.message_count" in span.attributes)
    assert seen == set(kinds)
    assert len({span.name for span in traced.spans}) < 25  # no key stands in a name
    groups = {
        each.attributes["messaging.consumer.group.name"]
        for each in traced.spans
        if each.service == "dinsos/bansos" and not each.of("send")
    }
    assert groups == {DEATHS}


def test_what_failed_has_a_code(traced: Traced) -> None:
    failed = [each for each in traced.spans if each.failed]
    assert failed
    assert {each.attributes["error.type"] for each in failed} == {"rejected"}
    (refused,) = {each.trace for each in failed if "messaging.message.id" in each.attributes}
    assert traced.types[refused] == offices.DEATH
    ended = [each for each in traced.of(refused)["dinsos/bansos term"] if not each.failed]
    assert ended


def test_log_lines_name_the_trace(traced: Traced) -> None:
    lines = [json.loads(line) for log in traced.logs.values() for line in log.splitlines() if line.startswith("{")]
    handled = [each["trace_id"] for each in lines if each["event"] == "menghentikan bantuan"]
    known = {each.trace for each in traced.spans}
    first = next(iter(traced.headers))
    assert first in handled
    assert len(known.intersection(handled)) >= 2  # the first, and the batch's


def test_where_names_a_trace_that_the_collector_has(traced: Traced) -> None:
    assert traced.where["trace"] == next(iter(traced.headers))
    assert any(each.trace == traced.where["trace"] for each in traced.spans)


def test_without_an_endpoint_the_context_is_carried_all_the_same(traced: Traced) -> None:
    known = {each.trace for each in traced.spans}
    untraced = [
        identity
        for identity, kind in traced.types.items()
        if kind == offices.DEATH and traced.headers[identity]["traceparent"].split("-")[1] not in known
    ]
    assert len(untraced) == 3  # one without an endpoint, two whose collector was away
    for identity in untraced:
        assert traced.headers[identity]["traceparent"] == f"00-{identity}-{identity[:16]}-01"
    assert traced.applied == [3, 4, 6]


def test_a_collector_that_is_away_costs_one_warning_for_each_process(traced: Traced) -> None:
    last = list(traced.logs.values())[-4:]
    for log in last:
        entries = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        about = [each for each in entries if "spans" in each["event"] or "export" in each["event"].lower()]
        assert [(each["level"], each["event"]) for each in about] == [
            ("warning", "spans are dropped: the collector takes none")
        ]
        assert about[0]["endpoint"] == NOBODY
