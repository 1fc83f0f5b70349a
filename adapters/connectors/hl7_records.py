"""From an HL7 v2 message to a record, or to the reason why it is none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.connectors.hl7_answer import Fault, Header, Outcome
from adapters.connectors.hl7_frames import Frame
from adapters.connectors.hl7_options import Hl7MllpConfig
from adapters.formats.hl7 import CHARSETS, Malformed, Message, Paths, instant
from bus.ports import Context, Record


class Records:
    """Reads the messages of one source."""

    def __init__(self, config: Hl7MllpConfig, context: Context) -> None:
        self._config, self._timezone = config, context.timezone
        self._paths = Paths(config.fields, context.timezone)

    def charset(self, header: Header) -> str:
        """The character set that a message declares, or the one that is agreed upon."""
        return header.shape.charset or self._config.charset

    def refused(self, header: Header) -> Outcome | None:
        """Why a message is none that is taken; None where it is."""
        if not header.known:
            return Outcome("R", Fault.REQUIRED, "bukan pesan HL7: segmen MSH tidak terbaca")
        shape = header.shape
        if shape.type not in self._config.messages:
            return Outcome("R", Fault.TYPE, "jenis pesan (MSH-9) tidak diterima di sini")
        if shape.version not in self._config.versions:
            return Outcome("R", Fault.VERSION, "versi HL7 (MSH-12) tidak diterima di sini")
        if shape.processing != self._config.processing:
            return Outcome("R", Fault.PROCESSING, "MSH-11 tidak sesuai: pesan uji coba atau produksi")
        return None

    def record(self, header: Header, frame: Frame, digest: bytes, peer: str) -> Record:
        """What a message holds. Its version is that of its bytes: sent again unchanged it is the same event."""
        version, moment = digest.hex(), self._moment(header)
        place = f"{header.shape.type} {moment.isoformat() if moment else ''}, dari {peer}"
        about = {"_pesan": header.shape.type, "_waktu": moment}
        try:
            data = {**about, **self._values(header, frame)}
            key = self._key(data) or version
        except Malformed as error:
            return Record(version, about, version, place=place, at=moment, fault=str(error))
        return Record(key, data, version, place=place, at=moment)

    def _values(self, header: Header, frame: Frame) -> dict[str, Any]:
        if not frame.whole:
            raise Malformed(f"pesan lebih besar dari {self._config.largest} byte")
        if not header.fields[9]:
            raise Malformed("MSH-10 (nomor pesan) kosong")
        charset = self.charset(header)
        if charset not in CHARSETS:
            raise Malformed("set karakter (MSH-18) tidak dikenal")
        try:
            text = frame.content.decode(CHARSETS[charset])
        except UnicodeDecodeError as error:
            raise Malformed(f"byte ke-{error.start + 1} bukan karakter {charset}") from None
        return self._paths(Message.parse(text, CHARSETS[charset]))

    def _key(self, data: dict[str, Any]) -> str:
        """What names the record; "" where each message is its own."""
        values = [data[name] for name in self._config.key]
        if values and not any(values):
            raise Malformed(f"kolom {' dan '.join(self._config.key)}: kosong, padahal menjadi kunci")
        return "\0".join(str(value or "") for value in values)

    def _moment(self, header: Header) -> datetime | None:
        try:
            moment = instant(header.fields[6].decode("ascii", "replace"), self._timezone)
        except ValueError:
            return None
        return moment if isinstance(moment, datetime) else None
