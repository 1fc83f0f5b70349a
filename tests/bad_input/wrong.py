"""Contracts that are wrong, each with what the bus says of it: the key in the file, the fault, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bad_input.offices import DEATH, MOVED, head, into, polled, subscribed
from tests.bad_input.persons import PERSONS

COLUMNS = "{ nik = 'nik', tanggal_meninggal = 'tgl' }"
BASIS = 'basis = "UU 24/2013 pasal 44"'


@dataclass(frozen=True)
class Wrong:
    """One contract of dukcapil. ``said`` is what `bus check` and `bus run` say after its path."""

    app: str
    text: str | bytes
    said: str

    @property
    def contract(self) -> bytes:
        """The file."""
        return self.text if isinstance(self.text, bytes) else (head("dukcapil", self.app) + self.text).encode()


def deaths(event: str = DEATH, mapped: str = COLUMNS) -> str:
    """A source and what it publishes, as they should be."""
    return polled("log", "env:SIAK_URL", "SELECT id, nik, tgl FROM log", event, mapped)


WRONG = [
    Wrong(
        "toml",
        "[source.log\nconnector = 1\n",
        "not valid TOML: Expected ']' at the end of a table declaration (at line 8, column 12)",
    ),
    Wrong("bytes", b'app = "bytes"\ntitle = "\xff"\n', "not valid TOML: no UTF-8 at byte 23 (save it as UTF-8)"),
    Wrong(
        "event",
        deaths(event="kependudukan.penduduk.menigal.v1"),
        "publish.0.event: unknown event kependudukan.penduduk.menigal.v1 "
        "(did you mean kependudukan.penduduk.meninggal.v1?)",
    ),
    Wrong(
        "name",
        deaths(event=PERSONS[0].nama),
        "publish.0.event: not the name of an event type; write domain.entity.event.v1 in lower case",
    ),
    Wrong(
        "connector",
        deaths().replace("sql_poll", "sql_pol"),
        "source.log.connector: unknown connector sql_pol (did you mean sql_poll?)",
    ),
    Wrong(
        "required",
        deaths(mapped="{ nik = 'nik' }"),
        "publish.0.map: tanggal_meninggal missing: kependudukan.penduduk.meninggal.v1 needs it "
        '(write tanggal_meninggal = "<column>")',
    ),
    Wrong(
        "field",
        deaths(mapped="{ nik = 'nik', tanggal_meninggal = 'tgl', nma = 'nama' }"),
        "publish.0.map.nma: kependudukan.penduduk.meninggal.v1 has no such field (did you mean nama?)",
    ),
    Wrong(
        "number",
        deaths().replace("poll      = 0.1", f'poll = "{PERSONS[0].nama}"'),
        "source.log.poll: Input should be a valid number, unable to parse string as a number",
    ),
    Wrong(
        "string",
        deaths().replace(BASIS, f"basis = {PERSONS[0].nik}"),
        "publish.0.basis: Input should be a valid string",
    ),
    Wrong("missing", deaths().replace(BASIS, ""), "publish.0.basis: missing"),
    Wrong("unknown", deaths().replace("map   =", "mapping ="), "publish.0.mapping: unknown key (did you mean map?)"),
    Wrong(
        "secret",
        deaths().replace("env:SIAK_URL", "postgresql://bus:rahasia-sekali@db/siak"),
        "source.log.url: a secret in clear (write env:NAME or file:PATH, and change the secret)",
    ),
    Wrong(
        "handler",
        subscribed(MOVED, ["nik"], 'handler = "mapping:terima"'),
        "subscribe.0.handler: mapping.py is named here and cannot be read: No such file or directory",
    ),
    Wrong(
        "fields",
        subscribed(MOVED, ["tanggal_pindah"], into("env:SIAK_URL", "t", "{ nik = 'nik' }")),
        "subscribe.0.to: needs nik (add it to `fields`)",
    ),
]
