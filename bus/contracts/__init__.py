"""Contracts: what an application emits and consumes, read from its ``adapter.toml`` and checked without a network."""

from bus.contracts.loader import find, load, load_all, load_each
from bus.contracts.model import ConnectorTable, Contract, Publish, Subscribe

__all__ = ["ConnectorTable", "Contract", "Publish", "Subscribe", "find", "load", "load_all", "load_each"]
