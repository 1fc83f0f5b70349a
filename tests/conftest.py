"""What every test may use: databases of private servers and disturbed connections (``tests/servers``)."""

from __future__ import annotations

import os
import signal

import hypothesis

pytest_plugins = ["tests.servers.fixtures"]

# Settings of whoever runs the tests must not decide them; processes that tests start inherit this.
for name in [name for name in os.environ if name.startswith(("BUS_", "OTEL_")) and not name.startswith("BUS_TEST_")]:
    del os.environ[name]

# A shell lets what runs in its background ignore Ctrl-C, and all processes below it; some tests end one by that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine makes examples slow, not wrong.
hypothesis.settings.register_profile("tests", deadline=None, print_blob=True)
hypothesis.settings.load_profile("tests")
