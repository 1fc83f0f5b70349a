"""smtp_send in the conformance suite of sinks: a mail for each event, and one for many."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import ClassVar

import pytest
import pytest_asyncio

from bus.testing import SinkApplication, SinkContract
from bus.testing.events import APP
from bus.testing.targets import MemoryMessage, Target, numbered
from tests.adapters.connectors.mail_office import Readers
from tests.adapters.connectors.mail_server import PASSWORD, MailProgram
from tests.servers.proxy import Proxy


@pytest.fixture(scope="module")
def mail_program() -> Iterator[MailProgram]:
    with MailProgram().serving() as program:
        yield program


class MailContract(SinkContract):
    """As far as it applies: a mailbox is a list of events, so an older one overwrites nothing."""

    digest: ClassVar[bool] = False

    @pytest_asyncio.fixture
    async def application(
        self,
        mail_program: MailProgram,
        proxy: Callable[[int], Awaitable[Proxy]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> AsyncIterator[SinkApplication]:
        monkeypatch.setenv("BUS_TEST_PASSWORD", PASSWORD)
        monkeypatch.setenv("BUS_TEST_WRONG_PASSWORD", "bukan-sandinya")
        readers = Readers(mail_program, await proxy(mail_program.port), digest=self.digest)
        yield readers
        await readers.close()

    @pytest.fixture
    def filling(self) -> str:
        return ""  # a mail server of Python reads mails line by line: twenty thousand events show what is kept

    async def test_an_older_event_overwrites_no_newer_one(self, application: Readers, target: Target) -> None:  # type: ignore[override]
        await target.deliver(numbered([("k1", "baru"), ("k2", "tetap")], first=10))
        old = MemoryMessage(900, "k1", "lama", event_id="a" * 32, origin=f"{APP.stream}:3")
        await target.deliver([old])

        assert [event["nilai"] for event in application.told()] == ["baru", "tetap", "lama"]
        assert old.settled == "ack"


class TestSmtpSend(MailContract):
    @pytest.fixture
    def large(self) -> int:
        return 5_000  # five answers of the server per mail; the digest has the whole backlog


class TestSmtpDigest(MailContract):
    """A mail is known by all of its events: an event that comes again in another company stands in two mails."""

    digest = True
    knows_events = False

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    async def test_an_event_that_comes_again_is_not_applied_again(
        self, application: SinkApplication, target: Target
    ) -> None:
        pairs = [(f"k{number}", f"isi {number}") for number in range(20)]

        await target.deliver(numbered(pairs))
        await target.deliver(numbered(pairs))

        assert await application.rows() == dict(pairs)
        assert Counter(await application.writes()) == Counter(each.id for each in numbered(pairs))
