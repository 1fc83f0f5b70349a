"""Logs: structlog, JSON for machines and columns for people, with trace and event ids and without personal data.

Fields named like personal data are dropped and long numbers are masked, should one slip into a text. The logs of
libraries go the same way.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from opentelemetry import trace
from structlog.typing import Processor

from bus.config import Settings

PERSONAL = frozenset(
    {
        "nik",
        "no_kk",
        "nama",
        "alamat",
        "tempat_lahir",
        "tanggal_lahir",
        "npwp",
        "nip",
        "telepon",
        "email",
        "data",
        "body",
        "row",
    }
)
_LONG_NUMBER = re.compile(r"(?<![0-9a-fA-F])\d{12,20}(?![0-9a-fA-F])")

_SHORTEST = 10**11  #: numbers from twelve digits on

Entry = MutableMapping[str, Any]


def setup(settings: Settings) -> None:
    """Sets up structlog and the standard library's logging for this process. Logs go to standard error."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if as_text else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,  # first: nothing is made ready of what nobody will see
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    others = max(logging.WARNING, logging.getLevelNamesMapping()[settings.log_level])
    root.setLevel(others)
    for name in ("bus", "adapters"):
        logging.getLogger(name).setLevel(settings.log_level)
    # FastStream gives its logger a handler of its own when it is imported, which nothing would redact.
    logging.getLogger("faststream").filters[:] = [_Reroute(handler, others)]


class _Reroute(logging.Filter):
    """Takes what a logger says, from a level on, to our handler, and nothing to its own."""

    def __init__(self, handler: logging.Handler, level: int) -> None:
        super().__init__()
        self._handler, self._level = handler, level

    def filter(self, record: logging.LogRecord) -> bool:
        """False: its own handlers see nothing."""
        if record.levelno >= self._level:
            self._handler.handle(record)
        return False


def redact(_logger: Any, _method: str, entry: Entry) -> Entry:
    """Drops fields named like personal data and masks long numbers in texts, however deep they stand."""
    for name in list(entry):
        if name.lower() in PERSONAL:
            del entry[name]
        else:
            entry[name] = _masked(entry[name])
    return entry


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _LONG_NUMBER.sub("[number]", value)
    if isinstance(value, Mapping):
        return {key: _masked(each) for key, each in value.items() if str(key).lower() not in PERSONAL}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _SHORTEST:
        return "[number]"
    return value


def _add_trace(_logger: Any, _method: str, entry: Entry) -> Entry:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        entry.setdefault("trace_id", f"{context.trace_id:032x}")
        entry.setdefault("span_id", f"{context.span_id:016x}")
    return entry
