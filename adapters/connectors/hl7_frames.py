"""MLLP, the minimal lower layer protocol: each message stands between a start block and an end block in a stream of
bytes. HL7 v2.5, appendix C.4; https://www.hl7.org/documentcenter/public/wg/inm/mllp_transport_specification.PDF
"""

from __future__ import annotations

from typing import NamedTuple

START = b"\x0b"
END = b"\x1c\r"
BETWEEN = b"\r\n"  #: what some devices put behind an end block, and means nothing
HEAD = 4096  #: bytes that are kept of a message that is too large, so that it can be answered


class Frame(NamedTuple):
    """A message as it came. Of one that is too large ``content`` has the beginning alone."""

    content: bytes
    size: int

    @property
    def whole(self) -> bool:
        """Whether all of it is here."""
        return len(self.content) == self.size


class Frames:
    """Cuts a connection's bytes into messages. Holds at most ``largest`` bytes of one.

    ``skipped`` counts bytes that belonged to no message: before a start block, or of a message that began anew before
    it ended.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._buffer = bytearray()
        self._inside = False
        self._looked = 0  # up to here there is no end block
        self._dropped = 0  # bytes of a message that is too large
        self._head = b""
        self.skipped = 0

    @property
    def partial(self) -> bool:
        """Whether a message has begun that has not ended."""
        return self._inside

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that end in these bytes."""
        self._buffer += data
        found = []
        while self._inside or self._begun():
            end = self._buffer.find(END, max(self._looked - 1, 0))
            if end < 0:
                self._keep()
                break
            content = bytes(self._buffer[:end])
            del self._buffer[: end + len(END)]
            self._inside = False
            found.append(self._frame(content))
        return found

    def _begun(self) -> bool:
        """Goes behind the next start block, if there is one."""
        start = self._buffer.find(START)
        before = bytes(self._buffer) if start < 0 else bytes(self._buffer[:start])
        self.skipped += len(before.strip(BETWEEN))
        del self._buffer[: len(before) + (start >= 0)]
        self._inside, self._looked, self._dropped, self._head = start >= 0, 0, 0, b""
        return self._inside

    def _frame(self, content: bytes) -> Frame:
        anew = content.rfind(START)
        if anew >= 0:  # no message holds a start block: the one before was given up
            self.skipped += self._dropped + anew
            self._dropped, content = 0, content[anew + 1 :]
        size = self._dropped + len(content)
        if size > self._largest:
            return Frame((self._head + content)[:HEAD], size)
        return Frame(content, size)

    def _keep(self) -> None:
        """Of a message that is not yet whole, what may be needed."""
        self._looked = len(self._buffer)
        ending = self._buffer.endswith(END[:1])  # which is of the message only if no end block comes of it
        if self._dropped + self._looked - ending <= self._largest:
            return
        anew = self._buffer.rfind(START)
        if anew >= 0:
            self.skipped += self._dropped + anew
            self._dropped, self._head = 0, b""
            del self._buffer[: anew + 1]
        else:
            self._head = self._head or bytes(self._buffer[:HEAD])
            self._dropped += self._looked - 1
            del self._buffer[:-1]  # which may begin an end block
        self._looked = len(self._buffer)


def framed(content: bytes) -> bytes:
    """A message as it goes out."""
    return b"".join((START, content, END))
