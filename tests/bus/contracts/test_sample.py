"""The sample of a connector: what must be said is live, the rest is commented, and every option has a value."""

import tomllib
from collections.abc import Mapping
from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from bus.contracts import connectors
from bus.contracts.sample import WIDTH, sample
from bus.ports import ConnectorConfig


class Table(BaseModel):
    usual: ClassVar[tuple[str, ...]] = ("columns",)

    columns: tuple[str, ...] = Field(default=(), description="which ones")


class Config(ConnectorConfig):
    usual: ClassVar[tuple[str, ...]] = ("token",)

    wait: float = Field(default=0, description="seconds")
    url: str = Field(description="the place")
    token: str | None = Field(default=None, description="the proof")
    codes: Mapping[str, str] = Field(default_factory=dict, examples=[{"a b": "{$key}"}], description="of values")
    quiet: bool = Field(description="says nothing")
    way: Literal["up", "down"] | None = Field(default=None, description="which " * 30)
    tables: Mapping[str, Table] = Field(description="each by a name")
    sure: Table | None = Field(default=None, description="more")


class Source:
    """What makes a class a source."""

    Config: ClassVar[type[ConnectorConfig]] = Config
    sees = idle = open = read = commit = reread = state = close = None


class Sink:
    """What makes a class a sink."""

    Config: ClassVar[type[ConnectorConfig]] = Config
    open = apply = close = None


@pytest.fixture(params=[Source, Sink])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The table of a connector `uji`, which is a source or a sink."""
    monkeypatch.setattr(connectors, "load", lambda *_, **__: request.param)
    return "source.data" if request.param is Source else "subscribe.to"


def test_a_sample_says_what_must_be_said_and_comments_the_rest(table: str) -> None:
    assert sample("uji", variable="SIAK", key="nop").splitlines() == [
        f"[{table}]",
        'connector = "uji"',
        'url       = "env:SIAK_URL"  # the place',
        'token     = "env:SIAK_TOKEN"  # the proof',
        "quiet     = false  # says nothing",
        "# wait      = 0  # seconds",
        '# codes     = { "a b" = "{nop}" }  # of values',
        f'# way       = "up"  # {"which " * 16}…',
        "",
        f"[{table}.tables.data]",
        'columns = ["<columns>"]  # which ones',
        "",
        f"# [{table}.sure]",
        "# columns = []  # which ones",
    ]


def test_whatever_is_freed_is_toml_in_lines_of_a_width(table: str) -> None:
    lines = sample("uji").splitlines()
    assert max(map(len, lines)) <= WIDTH
    options = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))
    for name in table.split("."):
        options = options[name]
    assert options.keys() == {"connector", *Config.model_fields}
    del options["connector"]
    assert Config.model_validate(options).codes == {"a b": "{nik}"}
