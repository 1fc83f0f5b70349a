"""The guides, and the code blocks in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = ("README.md", "adapters/README.md", "deploy/README.md", "schemas/README.md")

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_GENERATED = re.compile(r"^<!-- reference: \w+ -->\n.*?^<!-- end -->$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A code block of a guide."""

    guide: str
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, by which it is known."""
        return self.text.partition("\n")[0]


def text_of(guide: str) -> str:
    """A guide as it stands."""
    return (ROOT / guide).read_text(encoding="utf-8")


def blocks(guide: str) -> list[Block]:
    """Every code block that somebody wrote in a guide, in order. Indented ones and other fences are not used.

    Those that are generated between marks are checked where all of the reference is (``tests.adapters.test_readme``).
    """
    text = _GENERATED.sub("", text_of(guide))
    rest = _BLOCK.sub("", text)
    assert not re.search(r"^(~~~| {4}\S| *```)", rest, re.MULTILINE), f"{guide}: a block in another style"
    return [Block(guide, language, code) for language, code in _BLOCK.findall(text)]


def block(guide: str, beginning: str) -> Block:
    """The one block whose first line begins so."""
    (found,) = [each for each in blocks(guide) if each.first.startswith(beginning)]
    return found


def bus_commands(guide: str) -> Iterator[list[str]]:
    """The arguments of every `bus …` in a guide, in blocks and in the text."""
    text = text_of(guide)
    lines = [line for _, code in _BLOCK.findall(text) for line in code.splitlines()]
    for line in [*lines, *_INLINE.findall(_BLOCK.sub("", text))]:
        found = re.match(r"(?:sudo -u bus )?(?:\.venv/bin/)?bus (?!\|)(.*)", line)
        if found and "…" not in found[1].split()[0]:
            yield shlex.split(found[1], comments=True)
