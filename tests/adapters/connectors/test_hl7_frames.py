"""MLLP frames, however a connection cuts them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from adapters.connectors.hl7_frames import END, HEAD, START, Frame, Frames, framed

CONTENT = st.binary(max_size=60).map(lambda raw: raw.replace(START, b"").replace(END, b"").rstrip(b"\x1c"))


@given(st.lists(CONTENT, max_size=6), st.lists(st.integers(0, 400), max_size=10), st.binary(max_size=9))
def test_any_cut_gives_the_same_messages(messages: list[bytes], cuts: list[int], before: bytes) -> None:
    garbage = before.replace(START, b"")
    whole = garbage + b"\r\n".join(map(framed, messages))
    frames = Frames(1000)
    found: list[Frame] = []
    for start, end in pairwise([0, *sorted(cuts), len(whole)]):
        found += frames.feed(whole[start:end])

    assert [frame.content for frame in found] == messages
    assert all(frame.whole for frame in found)
    assert not frames.partial
    assert frames.skipped <= len(garbage)
    assert frames.skipped >= len(garbage.strip(b"\r\n")) - garbage.count(b"\r") - garbage.count(b"\n")


@example(1, 5996, b"")  # as large as may be, and its end block in two parts
@given(st.integers(1, 5000), st.integers(0, 30_000), st.sampled_from([b"", START]))
def test_a_message_that_is_too_large_is_known_by_its_head(chunk: int, size: int, anew: bytes) -> None:
    large = b"MSH|" + b"x" * size
    whole = (START + large[:100] if anew else b"") + framed(large) + framed(b"MSH|kecil")
    frames = Frames(6000)
    found: list[Frame] = []
    for start in range(0, len(whole), chunk):
        found += frames.feed(whole[start : start + chunk])
        assert len(frames._buffer) <= 6000 + chunk

    first, second = found
    assert first.size == len(large)
    assert first.content == (large if len(large) <= 6000 else large[:HEAD])
    assert first.whole == (len(large) <= 6000)
    assert second == Frame(b"MSH|kecil", 9)
    assert frames.skipped == (100 if anew and size > 100 else len(large[:100]) if anew else 0)
