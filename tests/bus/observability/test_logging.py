"""Logs: JSON lines without personal data, libraries included."""

from __future__ import annotations

import json
import logging as standard
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from bus.config import Settings
from bus.observability import logging

NIK = "3571010101550001"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Setting up logs is for a whole process: the tests' own is put back."""
    root, before = standard.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    filters = standard.getLogger("faststream").filters[:]
    yield
    root.handlers[:], standard.getLogger("faststream").filters[:] = handlers, filters
    root.setLevel(level)
    for name in ("bus", "adapters"):
        standard.getLogger(name).setLevel(standard.NOTSET)
    structlog.configure(**before)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_level_time_and_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logging.setup(Settings(log_format="json"))
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        structlog.get_logger("bus.test").info("stored", events=3)
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["events"]) == ("stored", "info", 3)
    assert str(line["timestamp"]).endswith("Z")
    assert line["trace_id"] == f"{0xABC:032x}"


def test_personal_data_does_not_get_through(capsys: pytest.CaptureFixture[str]) -> None:
    logging.setup(Settings(log_format="json", log_level="DEBUG"))
    log = structlog.get_logger("bus.test")
    log.info(f"read {NIK}", nik=NIK, nama="Siti", where={"nik": NIK, "place": [f"x {NIK}", int(NIK)]}, number=int(NIK))
    try:
        int(f"row of {NIK}")
    except ValueError:
        log.exception("failed")
    standard.getLogger("some.library").error("value %s", NIK)
    text = capsys.readouterr().err
    assert "[number]" in text
    assert NIK not in text
    assert "Siti" not in text


def test_ids_are_left_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    logging.setup(Settings(log_format="json"))
    event_id = "e8def8d0239ddd56ee62123456789012"
    structlog.get_logger("bus.test").info("applied", event_id=event_id, sequence=12_345_678)
    (line,) = lines(capsys)
    assert (line["event_id"], line["sequence"]) == (event_id, 12_345_678)


def test_levels_are_those_of_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    logging.setup(Settings(log_format="json", log_level="ERROR"))
    structlog.get_logger("bus.test").warning("not shown")
    standard.getLogger("adapters.test").error("shown")
    assert [line["event"] for line in lines(capsys)] == ["shown"]


def test_faststreams_own_handler_is_bypassed(capsys: pytest.CaptureFixture[str]) -> None:
    import faststream  # noqa: F401 - gives its logger a handler

    logging.setup(Settings(log_format="json"))
    logger = standard.getLogger("faststream")
    logger.info("callback for a task")
    logger.warning("input_value=%s", NIK)
    assert [line["event"] for line in lines(capsys)] == ["input_value=[number]"]


def test_a_person_gets_columns(capsys: pytest.CaptureFixture[str]) -> None:
    logging.setup(Settings(log_format="text"))
    structlog.get_logger("bus.test").info("active", app="dukcapil/siak")
    assert "dukcapil/siak" in capsys.readouterr().err
