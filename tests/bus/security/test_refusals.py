"""With an application's credential and a bare client, whatever is not its own is refused, to publish and to hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bus.security.credentials import Role
from tests.bus.security.conftest import Hall
from tests.bus.security.offices import BANSOS, SIAK, SIMRS, Desk, desk

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN_STREAM, FOREIGN_STREAM = "OPD_DUKCAPIL", "OPD_RSUD"
# siak reads deaths from the hospital's stream: its durable there is its own, the others' are not.
OWN_DURABLE = "dukcapil_siak_kesehatan-kematian-tercatat-v1"
FOREIGN_DURABLE = "rsud_simrs_kependudukan-penduduk-meninggal-v1"

# Every subject of the JetStream API of nats-server 2.15.1 (server/jetstream_api.go), {s} a stream and {c} a consumer.
API = (
    "INFO",
    "STREAM.CREATE.{s}",
    "STREAM.UPDATE.{s}",
    "STREAM.NAMES",
    "STREAM.LIST",
    "STREAM.INFO.{s}",
    "STREAM.DELETE.{s}",
    "STREAM.PURGE.{s}",
    "STREAM.SNAPSHOT.{s}",
    "STREAM.RESTORE.{s}",
    "STREAM.MSG.DELETE.{s}",
    "STREAM.MSG.GET.{s}",
    "STREAM.PEER.REMOVE.{s}",
    "STREAM.PEER.EVACUATE.{s}",
    "STREAM.CANCEL_MOVE.{s}",
    "STREAM.LEADER.STEPDOWN.{s}",
    "DIRECT.GET.{s}",
    "DIRECT.GET.{s}.opd.rsud.simrs.cursor.mutasi",
    "DIRECT.GET.{s}.opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1.abc",
    "CONSUMER.CREATE.{s}",
    "CONSUMER.CREATE.{s}.{c}",
    "CONSUMER.CREATE.{s}.{c}.opd.>",
    "CONSUMER.CREATE.{s}.baru.opd.dukcapil.siak.>",
    "CONSUMER.DURABLE.CREATE.{s}.{c}",
    "CONSUMER.NAMES.{s}",
    "CONSUMER.LIST.{s}",
    "CONSUMER.DELETE.{s}.{c}",
    "CONSUMER.PAUSE.{s}.{c}",
    "CONSUMER.UNPIN.{s}.{c}",
    "CONSUMER.LEADER.STEPDOWN.{s}.{c}",
    "META.LEADER.STEPDOWN",
    "META.RESCUE",
    "SERVER.REMOVE",
    "SERVER.EVACUATE",
    "ACCOUNT.PURGE.X",
    "ACCOUNT.STREAM.MOVE.X.{s}",
    "ACCOUNT.STREAM.CANCEL_MOVE.X.{s}",
)
# These are permitted for an application's own consumer, and for no other.
OF_A_CONSUMER = ("CONSUMER.MSG.NEXT.{s}.{c}", "CONSUMER.INFO.{s}.{c}", "CONSUMER.RESET.{s}.{c}")
PAIRS = (
    (OWN_STREAM, FOREIGN_DURABLE),  # another's consumer on its own stream
    (OWN_STREAM, OWN_DURABLE),  # its own name, on a stream where it has nothing
    (FOREIGN_STREAM, OWN_DURABLE),
    (FOREIGN_STREAM, FOREIGN_DURABLE),
    ("DLQ", OWN_DURABLE),
    ("REDRIVE", "rsud_simrs_source-mutasi"),
)

PUBLISH = (
    # others' subjects
    "opd.rsud.simrs.kesehatan.kematian.tercatat.v1.abc",
    "opd.rsud.siak.kependudukan.penduduk.meninggal.v1.abc",
    "opd.dukcapil.lain.kependudukan.penduduk.meninggal.v1.abc",
    "opd.rsud.simrs.cursor.mutasi",
    "opd.rsud.simrs.cursor.lease",
    "dlq.rsud.simrs.event.x.1",
    "receipt.rsud.simrs.x",
    "telemetry.rsud.simrs.x",
    "redrive.rsud.simrs.source-mutasi",
    # its own, but not granted
    "opd.dukcapil.siak.kependudukan.penduduk.lahir.v1.abc",
    "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v2.abc",
    "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1",
    "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1.abc.def",
    "opd.dukcapil.siak.cursor",
    "opd.dukcapil.siak.cursor.mutasi.x",
    "opd.dukcapil.siak",
    "redrive.dukcapil.siak.kesehatan-kematian-tercatat-v1",
    "redrive.dukcapil.siak.source-mutasi",
    "dlq.dukcapil.siak",
    "in.dukcapil.siak.kependudukan.penduduk.meninggal.v1",
    # wildcards as words
    ">",
    "*",
    "opd.>",
    "opd.*.*.kesehatan.kematian.tercatat.v1.abc",
    "opd.*.siak.kependudukan.penduduk.meninggal.v1.abc",
    "dlq.*.*.event.x.1",
    # inboxes
    "_INBOX.rsud_simrs.abc",
    "_INBOX.dukcapil_siak.abc",
    "_INBOX.abc",
    "_INBOX.ops.abc",
    "_R_.abc",
    # the server's own
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "$SYS.REQ.USER.INFO",
    "$SYS.ACCOUNT.X.CONNECT",
    "$KV.ember.kunci",
    "$O.ember.C.x",
    "$OBJ.ember.x",
    "$JS.EVENT.ADVISORY.API",
    "$JS.FC.OPD_DUKCAPIL.x.y",
    "$JS.SNAPSHOT.ACK.x.y",
    "$JS.hub.API.STREAM.DELETE.OPD_RSUD",
    "$JSC.SYNC.x",
    "$NRG.x",
    "$GNR.x",
    "bus.CONSUMER.INFO.OPD_RSUD.rsud_simrs_kependudukan-penduduk-meninggal-v1",
    # acknowledgements of others' messages, in both forms
    f"$JS.ACK.{OWN_STREAM}.{FOREIGN_DURABLE}.1.1.1.1.0",
    f"$JS.ACK.{OWN_STREAM}.{OWN_DURABLE}.1.1.1.1.0",
    f"$JS.ACK._.hash.{OWN_STREAM}.{FOREIGN_DURABLE}.1.1.1.1.0.x",
    f"$JS.ACK._.hash.{OWN_STREAM}.{OWN_DURABLE}.1.1.1.1.0.x",
    "$JS.ACK.REDRIVE.rsud_simrs_source-mutasi.1.1.1.1.0",
)

SUBSCRIBE = (
    ">",
    "*",
    "*.>",
    "opd.>",
    "opd.dukcapil.siak.>",
    "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1.*",
    "opd.dukcapil.siak.cursor.*",
    "opd.rsud.simrs.>",
    "opd.rsud.simrs.kesehatan.kematian.tercatat.v1.*",
    "opd.*.*.cursor.*",
    "dlq.>",
    "dlq.dukcapil.siak.>",
    "dlq.rsud.simrs.>",
    "receipt.>",
    "receipt.dukcapil.siak.>",
    "telemetry.>",
    "redrive.>",
    "redrive.dukcapil.siak.>",
    "redrive.rsud.simrs.>",
    "in.>",
    "_INBOX.>",
    "_INBOX.*",
    "_INBOX.*.>",
    "_INBOX.*.*",
    "_INBOX.dukcapil_siak",
    "_INBOX.dukcapil_siak2.>",
    "_INBOX.rsud_simrs.>",
    "_INBOX.rsud_simrs.abc",
    "_INBOX.ops.>",
    "_R_.>",
    "$SYS.>",
    "$SYS.ACCOUNT.>",
    "$KV.>",
    "$O.>",
    "$JS.>",
    "$JS.API.>",
    "$JS.ACK.>",
    "$JS.EVENT.>",
    "$JS.EVENT.ADVISORY.>",
    "$JSC.>",
    "$NRG.>",
    "bus.>",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def siak(hall: Hall) -> AsyncIterator[Desk]:
    async with desk(hall.home, hall.server.url, SIAK) as connected:
        yield connected


async def admin_state(hall: Hall, stream: str) -> dict[str, object]:
    async with desk(hall.home, hall.server.url, Role.ADMIN) as admin:
        info = await admin.api(f"STREAM.INFO.{stream}")
        assert "error" not in info, info
        return dict(info["state"])


@pytest.mark.parametrize("subject", PUBLISH)
async def test_publish_is_refused(siak: Desk, subject: str) -> None:
    assert await siak.refuses_publish(subject)


@pytest.mark.parametrize("subject", SUBSCRIBE)
@pytest.mark.parametrize("queue", ["", "regu"])
async def test_subscribe_is_refused(siak: Desk, subject: str, queue: str) -> None:
    assert await siak.refuses_subscribe(subject, queue)


@pytest.mark.parametrize("template", API)
@pytest.mark.parametrize(("stream", "durable"), PAIRS)
async def test_administration_is_refused(siak: Desk, template: str, stream: str, durable: str) -> None:
    assert await siak.refuses_publish(f"$JS.API.{template.format(s=stream, c=durable)}")


@pytest.mark.parametrize("template", OF_A_CONSUMER)
@pytest.mark.parametrize(("stream", "durable"), [pair for pair in PAIRS if pair != (FOREIGN_STREAM, OWN_DURABLE)])
async def test_another_applications_consumer_is_out_of_reach(
    siak: Desk, template: str, stream: str, durable: str
) -> None:
    assert await siak.refuses_publish(f"$JS.API.{template.format(s=stream, c=durable)}")


@pytest.mark.parametrize(
    "reply",
    [
        "opd.rsud.simrs.cursor.mutasi",
        "opd.rsud.simrs.kesehatan.kematian.tercatat.v1.abc",
        "$JS.API.STREAM.DELETE.OPD_RSUD",
        "$JS.API.STREAM.PURGE.OPD_RSUD",
        "$JS.API.CONSUMER.DELETE.OPD_RSUD.dukcapil_siak_kesehatan-kematian-tercatat-v1",
        "$JS.API.CONSUMER.RESET.OPD_DUKCAPIL.rsud_simrs_kependudukan-penduduk-meninggal-v1",
        "_INBOX.rsud_simrs.abc",
    ],
)
async def test_an_answer_does_not_reach_what_a_publish_may_not(hall: Hall, siak: Desk, reply: str) -> None:
    """The server checks no reply subject: within one account these answers would be stored, obeyed or heard."""
    cursor = "opd.dukcapil.siak.cursor.mutasi"
    await siak.client.request(cursor, b"", timeout=5)
    before = await admin_state(hall, "OPD_RSUD")
    async with desk(hall.home, hall.server.url, SIMRS) as simrs:
        heard = await simrs.client.subscribe("_INBOX.rsud_simrs.abc")
        await simrs.client.flush()
        assert not await siak.refuses_publish(f"$JS.API.DIRECT.GET.{OWN_STREAM}.{cursor}", b"", reply)
        assert not await siak.refuses_publish(cursor, b"{}", reply)
        assert not await siak.refuses_publish(f"$JS.API.CONSUMER.INFO.{FOREIGN_STREAM}.{OWN_DURABLE}", b"", reply)
        assert not await siak.refuses_publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{FOREIGN_STREAM}.{OWN_DURABLE}", b'{"no_wait":true}', reply
        )
        # Answers are sent in order: once ours are here, those to the foreign subject were on their way long since.
        await siak.client.request(cursor, b"{}", timeout=5)
        await siak.client.request(f"$JS.API.DIRECT.GET.{OWN_STREAM}.{cursor}", b"", timeout=5)
        with pytest.raises(asyncio.TimeoutError):
            await heard.next_msg(timeout=0.2)
    after = await admin_state(hall, "OPD_RSUD")
    assert after == before
    async with desk(hall.home, hall.server.url, Role.ADMIN) as admin:
        foreign = await admin.api(f"CONSUMER.INFO.{OWN_STREAM}.{FOREIGN_DURABLE}")
        assert foreign["num_ack_pending"] == 0
        own = await admin.api(f"CONSUMER.INFO.{FOREIGN_STREAM}.{OWN_DURABLE}")
        assert "error" not in own


async def test_the_same_holds_for_the_others(hall: Hall) -> None:
    for office, own in ((SIMRS, "rsud"), (BANSOS, "dinsos")):
        async with desk(hall.home, hall.server.url, office) as connected:
            for victim in ("dukcapil.siak", "rsud.simrs", "dinsos.bansos"):
                if not victim.startswith(own):
                    assert await connected.refuses_publish(f"opd.{victim}.cursor.mutasi")
                    assert await connected.refuses_publish(f"dlq.{victim}.event.x.1")
                    assert await connected.refuses_subscribe(f"_INBOX.{victim.replace('.', '_')}.>")
            assert await connected.refuses_publish("$JS.API.STREAM.DELETE.OPD_DUKCAPIL")
            assert await connected.refuses_subscribe(">")
