"""Settings, read once: ``BUS_*`` variables, then ``bus.toml`` in the working folder, then defaults that run."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bus.errors import ConfigError


class Settings(BaseSettings):
    """Everything that a place of installation decides; the contracts decide the rest."""

    model_config = SettingsConfigDict(
        env_prefix="BUS_", toml_file="bus.toml", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    home: Path = Field(
        default=Path(".bus"), description="keys, credentials, ledgers, the index, the embedded server's data"
    )
    nats_url: str | None = Field(
        default=None, description="an external server; none: the embedded one that runs from `home`"
    )
    credential: Path | None = Field(
        default=None, description="a .creds file; none: the one that `bus up` made in `home`"
    )
    entity_key: Path | None = Field(default=None, description="the key of key tokens; none: keys/entity.key in `home`")
    otlp_endpoint: str | None = Field(default=None, description="where spans go, http://host:4318; none: nowhere")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="the least of what is logged: DEBUG, INFO, WARNING or ERROR"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="auto, json or text; auto: text on a terminal, else JSON"
    )
    max_age_days: float = Field(default=30, gt=0, description="how long streams keep events")
    decided_days: float = Field(
        default=7, gt=0, description="how long a dead letter is kept that was decided; at most half of `max_age_days`"
    )
    max_bytes: int = Field(default=1024**3, gt=0, description="size of an OPD's stream, bytes; the server reserves it")
    replicas: int = Field(default=1, ge=1, le=5, description="copies of each stream; 3 in a cluster")
    batch: int = Field(
        default=500,
        ge=1,
        le=900,
        description="events per batch into an application (at most 900); a source has an option of its own",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then bus.toml."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @cached_property
    def keys(self) -> Path:
        """Where secret keys lie, mode 0700."""
        return self.home / "keys"

    @cached_property
    def entity_key_path(self) -> Path:
        """Where the key of key tokens lies, mode 0600."""
        return self.entity_key or self.keys / "entity.key"


def load(**overrides: object) -> Settings:
    """Reads the settings. Raises ConfigError, which names the variable."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(
            f"BUS_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ConfigError(faults, where="settings", hint="see BUS_* variables and bus.toml") from None


def secret(reference: str, *, where: str = "") -> str:
    """The value behind ``env:NAME`` or ``file:PATH``; anything else is returned as it is. Raises ConfigError."""
    kind, colon, name = reference.partition(":")
    if kind == "env" and colon:
        value = os.environ.get(name)
        if not value:
            raise ConfigError(f"the variable {name} is not set", where=where, hint=f"export {name}=… before `bus run`")
        return value
    if kind == "file" and colon:
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}", where=where) from None
    return reference
