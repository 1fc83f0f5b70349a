"""smtp_send against a real mail server: what people get, what a server's answers mean, TLS and login."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel, ValidationError

from adapters.connectors.smtp_send import SmtpSend, SmtpSendConfig
from bus.envelope import Event
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from bus.ports import Delivery, Sink
from bus.testing.targets import Target, numbered
from tests.adapters.connectors.mail_office import SENDER, TO, Readers, send
from tests.adapters.connectors.mail_server import PASSWORD, USER, MailServer, events, serving, text
from tests.servers.kept import Kept
from tests.servers.proxy import Proxy
from tests.servers.server import HOST


@pytest_asyncio.fixture
async def server() -> AsyncIterator[MailServer]:
    async with serving(Kept()) as mail_server:
        yield mail_server


class IzinTerbit(BaseModel):
    """Sebuah izin diterbitkan."""

    nomor_izin: str = "503/1"
    nik: str = "3571010101800001"
    tanggal: date | None = date(2026, 1, 31)
    aktif: Any = True


FIELDS = frozenset({"nomor_izin", "tanggal", "aktif"})


def delivery(number: int = 1, *, fields: frozenset[str] = FIELDS, **values: Any) -> Delivery:
    event = Event(
        id=f"{number:032x}",
        source="/kediri/dpmptsp/perizinan",
        type="id.go.kedirikota.perizinan.izin.terbit.v1",
        subject="s",
        time="2026-01-31T01:30:00+00:00",
        data=b"",
    )
    return Delivery(event, IzinTerbit(**values), fields, "OPD_X", number)


async def apply(sink: SmtpSend, *deliveries: Delivery) -> None:
    await sink.open()
    try:
        await sink.apply(deliveries, None)
    finally:
        await sink.close()


async def test_what_a_mail_tells(server: MailServer) -> None:
    options = {"intro": "Yth. petugas,\n", "columns": {"Nomor": "nomor_izin", "Terbit": "tanggal", "Berlaku": "aktif"}}
    await apply(send(server.port, **options), delivery())
    (mail,) = server.received
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, TO, "Pemberitahuan: perizinan.izin.terbit.v1")
    assert mail["Message-ID"] == f"<{1:032x}.satpolpp-penertiban_izin_terbit@kominfo.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(mail["Date"]).tzinfo is not None
    assert mail.get_content_type() == "text/plain"
    assert text(mail).startswith("Yth. petugas,\n\nSebuah izin diterbitkan.\n\nNomor     : 503/1\n")
    assert events(mail)[0] == {
        "Nomor": "503/1",
        "Terbit": "31-01-2026",
        "Berlaku": "ya",
        "peristiwa": "perizinan.izin.terbit.v1",
        "dari": "dpmptsp/perizinan",
        "dicatat": "31-01-2026 08:30 WIB",
        "kode": f"{1:032x}",
    }
    assert "3571010101800001" not in mail.as_string(), "only the subscription's fields"


async def test_each_field_without_columns_and_no_line_of_ours_out_of_a_value(server: MailServer) -> None:
    values = {"nomor_izin": "é\nkode : palsu", "tanggal": None, "aktif": ["a", 1]}
    await apply(send(server.port), delivery(**values), delivery(2, aktif=False))
    told, first, second = text(server.received[0]), *(events(mail)[0] for mail in server.received)
    assert "nomor izin : é\n    kode : palsu\n" in told
    assert first["tanggal"] == "-"
    assert first["aktif"] == '["a", 1]'
    assert second["aktif"] == "tidak"


async def test_a_digest_is_one_mail_for_a_batch(server: MailServer, tmp_path: Path) -> None:
    sink = send(server.port, digest=True)
    assert sink.atomic
    await apply(sink, delivery(1), delivery(2))
    await apply(send(server.port, digest=True), delivery(1), delivery(2))
    await apply(send(server.port, digest=True), delivery(2), delivery(3))
    first, again, other = server.received
    assert "Surat ini memuat 2 peristiwa.\n\n1. Sebuah izin" in text(first)
    assert f"{2:032x}" in text(first)
    assert first["Message-ID"] == again["Message-ID"] != other["Message-ID"]


async def test_the_engine_sends_digests_and_isolates_a_refused_event(server: MailServer, tmp_path: Path) -> None:
    class Digests(Readers):
        def __init__(self) -> None:
            self._server = server

        def sink(self, **options: Any) -> Sink:
            return send(server.port, digest=True)

    target = Target(Digests(), tmp_path)
    server.tell(forbidden="terlarang")
    messages = numbered([(f"k{number}", "terlarang" if number == 7 else "isi") for number in range(40)])
    await target.deliver(messages)
    assert [message.sequence for message in messages if message.settled == "term"] == [8]
    assert len(target.streams.letters) == 1
    assert sorted(await Digests().writes()) == sorted(each.id for each in messages if each.sequence != 8)
    assert len(server.received) < 39


async def test_a_mail_whose_answer_was_lost_is_known_for_the_same(
    server: MailServer, proxy: Callable[[int], Awaitable[Proxy]]
) -> None:
    way = await proxy(server.port)
    server.when_received = way.cut
    sink = send(way.port)
    await sink.open()
    with pytest.raises(Unavailable, match="does not answer: no connection"):
        await sink.apply([delivery()], None)
    server.when_received = None
    await sink.apply([delivery()], None)
    await sink.close()
    assert (len(server.received), len(server.mailbox())) == (2, 1)


async def test_a_connection_that_was_idle_too_long_is_made_again(
    server: MailServer, proxy: Callable[[int], Awaitable[Proxy]]
) -> None:
    way = await proxy(server.port)
    sink = send(way.port)
    await sink.open()
    await sink.apply([delivery(1)], None)
    await way.cut()
    await sink.apply([delivery(2)], None)
    await sink.close()
    assert len(server.received) == 2
    assert way.accepted == 2


OTHER = "kepala@satpolpp.example"


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        ("550 5.1.1 loket@satpolpp.example unknown", ConfigError, "refuses recipient 2 of 2 (550)"),
        ("452 4.2.2 full", Unavailable, "is busy for recipient 2 of 2 (452)"),
        ("552 5.2.2 full", Unavailable, "is busy for recipient 2 of 2 (552)"),
        ("421 bye", Unavailable, "is busy for recipient 2 of 2 (421)"),
    ],
)
async def test_a_mail_goes_to_all_recipients_or_to_none(
    server: MailServer, answer: str, error: type[BusError], told: str
) -> None:
    sink = send(server.port, to=[TO, OTHER])
    await sink.open()
    server.tell(answers={OTHER: answer})
    with pytest.raises(error) as caught:
        await sink.apply([delivery()], None)
    assert told in str(caught.value)
    assert "@" not in str(caught.value)
    assert server.received == []
    server.tell(answers={})
    await sink.apply([delivery()], None)
    await sink.close()
    assert [mail["To"] for mail in server.received] == [f"{TO}, {OTHER}"]


@pytest.mark.parametrize(("answer", "error"), [("451 4.7.1 greylisted", Unavailable), ("554 5.7.1 spam", Rejected)])
async def test_what_the_server_says_to_a_mail(server: MailServer, answer: str, error: type[BusError]) -> None:
    sink = send(server.port)
    await sink.open()
    server.tell(busy=[answer])
    with pytest.raises(error, match=rf"\({answer[:3]}\)"):
        await sink.apply([delivery()], None)
    await sink.apply([delivery()], None)
    await sink.close()
    assert len(server.received) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the server that is its own authority."""
    path = tmp_path_factory.mktemp("sertifikat") / "surat.pem"
    names = ["-subj", "/CN=surat", "-addext", f"subjectAltName=IP:{HOST}", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path)]
    made = subprocess.run(["openssl", "req", "-x509", *key, *names], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + made.stdout)
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


async def test_starttls_and_login(certificate: Path, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_TEST_PASSWORD", PASSWORD)
    monkeypatch.setenv("BUS_TEST_TO", f"{TO}, {OTHER}")
    options: dict[str, Any] = {
        "tls": "starttls",
        "ca": str(certificate),
        "user": USER,
        "password": "env:BUS_TEST_PASSWORD",
        "to": ["env:BUS_TEST_TO"],
    }
    async with serving(Kept(), context=context, login=True) as server:
        await apply(send(server.port, **options), delivery())
        assert server.users == [USER]
        assert server.received[0]["To"] == f"{TO}, {OTHER}"
        with pytest.raises(AccessError, match="does not prove itself by a certificate that is trusted"):
            await apply(send(server.port, **{**options, "ca": None}), delivery(2))
        monkeypatch.setenv("BUS_TEST_PASSWORD", "salah")
        with pytest.raises(AccessError, match=r"refuses the user \(535\).*correct user and password") as caught:
            await apply(send(server.port, **options), delivery(2))
        assert "salah" not in str(caught.value)
        with pytest.raises(AccessError, match=r"\(530\)"):
            await apply(send(server.port, **{**options, "user": None, "password": None}), delivery(2))
        assert len(server.received) == 1


async def test_tls_from_the_first_byte_on(certificate: Path, context: ssl.SSLContext) -> None:
    async with serving(Kept(), context=context, implicit=True) as server:
        await apply(send(server.port, tls="implicit", ca=str(certificate)), delivery())
        with pytest.raises(AccessError, match="does not prove itself by a certificate that is trusted"):
            await apply(send(server.port, tls="implicit"), delivery(2))
        assert len(server.received) == 1


async def test_a_server_that_cannot_do_what_is_asked(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_TEST_PASSWORD", PASSWORD)
    with pytest.raises(ConfigError, match="knows no STARTTLS"):
        await apply(send(server.port, tls="starttls"), delivery())
    with pytest.raises(ConfigError, match="knows no way to log in"):
        await apply(send(server.port, user=USER, password="env:BUS_TEST_PASSWORD"), delivery())
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 does not answer: no connection"):
        await apply(send(1), delivery())
    assert server.received == []


async def test_a_silent_server_is_tried_again(server: MailServer, proxy: Callable[[int], Awaitable[Proxy]]) -> None:
    way = await proxy(server.port)
    sink = send(way.port, timeout=0.3)
    await sink.open()
    way.freeze()
    with pytest.raises(Unavailable, match="no answer in time"):
        await sink.apply([delivery()], None)
    way.thaw()
    await sink.apply([delivery()], None)
    await sink.close()
    assert len(server.mailbox()) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"server": "surat.example:abc"}, "not host:port"),
        ({"sender": "bukan alamat"}, "not a mail address"),
        ({"sender": "lokal"}, "not a mail address"),
        ({"to": ["a@b.example", "rusak@"]}, "not a mail address"),
        ({"to": ["é@b.example"]}, "not a mail address"),
        ({"tls": "starttls", "ca": "/tidak/ada.pem"}, "no PEM file"),
        ({"to": ["env:BUS_TEST_NOTHING"]}, "BUS_TEST_NOTHING is not set"),
    ],
)
async def test_what_is_wrong_is_said_when_it_opens(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        await send(1, **options).open()
    assert "@" not in str(caught.value).replace("name@office.example", "")


async def test_a_field_that_may_not_be_seen_is_told(server: MailServer) -> None:
    with pytest.raises(ConfigError, match="names nik, which is not in `fields`"):
        await apply(send(server.port, columns={"NIK": "nik"}), delivery())
    config = SmtpSendConfig(server="x", sender="env:X", to=("env:Y",), columns={"A": "nik", "B": "$id"})
    assert SmtpSend.needs(config) == {"nik"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"password": "rahasia", "user": "x"}, "stands in no contract"),
        ({"user": "x"}, "user and password go together"),
        ({"subject": "Izin {nomor_izin}"}, "the same for every mail"),
        ({"subject": "Izin\nBcc: a@b.example"}, "the same for every mail"),
        ({"to": []}, "to"),
        ({"tls": "ssl"}, "tls"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        send(25, **options)
    assert "rahasia" not in str(caught.value)
