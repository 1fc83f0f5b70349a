"""What integrators test with: streams in memory, the suite of an adapter, and the conformance suites of connectors.

from bus.testing import SourceContract, SinkContract, adapter_suite
"""

import pytest

pytest.register_assert_rewrite(
    "bus.testing.adapters", "bus.testing.lines", "bus.testing.sinks", "bus.testing.sources", "bus.testing.targets"
)

from bus.testing.adapters import adapter_suite, ddl
from bus.testing.lines import SourceApplication
from bus.testing.memory import Crash, MemoryStreams
from bus.testing.sinks import SinkContract
from bus.testing.sources import SourceContract
from bus.testing.targets import SinkApplication, handler_sink

__all__ = [
    "Crash",
    "MemoryStreams",
    "SinkApplication",
    "SinkContract",
    "SourceApplication",
    "SourceContract",
    "adapter_suite",
    "ddl",
    "handler_sink",
]
