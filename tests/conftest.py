"""What every test may use: databases of private servers and disturbed connections (``tests/servers``)."""

from __future__ import annotations

pytest_plugins = ["tests.servers.fixtures"]
