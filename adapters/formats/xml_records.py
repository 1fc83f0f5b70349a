"""XML: one record per element of a path, read as a stream by lxml.

Nothing is fetched, no entity is resolved, and a file with a document type declaration is refused: it could blow up or
reach for other files. Namespaces are left out of names. An attribute is a column like an element; what comes again
within a record is numbered: ``telepon``, ``telepon (2)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from adapters.formats import cells
from adapters.formats.objects import Item, ObjectTable
from adapters.formats.table import Cell, Layout, Unreadable

_DEEPEST = 4  # elements above a record, where it is found by itself
_HINT = "minta berkas yang utuh dari aplikasi asalnya, lalu taruh lagi"


def open_table(path: Path, layout: Layout) -> ObjectTable:
    """Opens an XML file; ``records`` names the way from its root ("data.penduduk"). Raises Unreadable, OSError."""
    import lxml.etree  # noqa: F401 - asked for here, where its absence is told

    wanted = tuple(layout.records.split(".")) if layout.records else _found(path)
    with closing(_elements(path)) as elements:
        _, root, _ = next(elements)
    if root != wanted[:1]:
        raise Unreadable(f"tidak ada data di {layout.records}", hint=_HINT)
    return ObjectTable(partial(_items, path, wanted), layout)


def _elements(path: Path) -> Generator[tuple[str, tuple[str, ...], Any]]:
    """Each element at its start and its end, with the names from the root down to it. Raises Unreadable."""
    from lxml import etree

    above: list[str] = []
    try:
        with path.open("rb") as file:
            options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
            for event, element in etree.iterparse(
                file, events=("start", "end"), remove_comments=True, remove_pis=True, **options
            ):
                if event == "start":
                    if not above and element.getroottree().docinfo.internalDTD is not None:
                        raise Unreadable("berkas ini memuat DOCTYPE, yang tidak diterima", hint=_HINT)
                    above.append(etree.QName(element).localname)
                yield event, tuple(above), element
                if event == "end":
                    above.pop()
    except etree.XMLSyntaxError:
        raise Unreadable("isi berkas ini bukan XML yang utuh", hint=_HINT) from None


def _found(path: Path) -> tuple[str, ...]:
    """The way to what repeats nearest to the root; else to the root's first child, or the root itself."""
    counts: Counter[tuple[str, ...]] = Counter()
    structured: dict[tuple[str, ...], None] = {}
    for event, names, element in _elements(path):
        if event == "start":
            continue
        if len(names) <= _DEEPEST:
            counts[names] += 1
            if len(element) or element.attrib:
                structured[names] = None
        _forget(element)
    repeated = [names for names in structured if counts[names] > 1]
    return min(repeated or [names for names in structured if len(names) > 1] or counts, key=len)


def _items(path: Path, wanted: tuple[str, ...]) -> Iterator[Item]:
    number = 0
    for event, names, element in _elements(path):
        if event == "start":
            continue
        if names == wanted:
            number += 1
            yield Item(number, _flat(element))
        if len(names) <= len(wanted):
            _forget(element)


def _forget(element: Any) -> None:
    """Frees an element that was read, and those before it; it stays itself, so that its parent is known to have one."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _flat(element: Any, prefix: str = "") -> dict[str, Cell]:
    from lxml import etree

    columns: dict[str, Cell] = {}
    for name, value in element.attrib.items():
        _put(columns, f"{prefix}{etree.QName(name).localname}", cells.clean(value))
    for child in element:
        name = f"{prefix}{etree.QName(child).localname}"
        for inner, value in _flat(child, f"{name}.").items():
            _put(columns, inner, value)
        if not len(child):
            _put(columns, name, cells.clean(child.text or ""))
    if not len(element) and not prefix:
        _put(columns, "isi", cells.clean(element.text or ""))
    return {name: value for name, value in columns.items() if name != "isi" or value is not None}


def _put(columns: dict[str, Cell], name: str, value: Cell) -> None:
    count, free = 1, name
    while free in columns:
        count += 1
        free = f"{name} ({count})"
    columns[free] = value
