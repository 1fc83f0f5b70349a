"""Every code block of the guides is known to a test; every command, file and link that they name exists."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
import typer.main

from bus.cli.main import app
from tests.docs.blocks import GUIDES, ROOT, blocks, bus_commands, text_of

COMMANDS = "docs.test_blocks:test_every_command_and_option_exists"

# Guide -> its blocks in order: language, how the first line begins, and the test below `tests` that runs or parses it.
KNOWN: dict[str, list[tuple[str, str, str]]] = {
    "README.md": [
        ("sh", "/usr/bin/python3 -m venv", "docs.test_readme:test_the_two_commands_are_the_promised_ones"),
        ("sh", "tests/run", "docs.test_readme:test_the_two_commands_are_the_promised_ones"),
        ("toml", "app ", "docs.test_readme:test_the_first_adapter_is_checked_and_tried"),
        ("csv", "no_transaksi;", "docs.test_readme:test_the_first_adapter_is_checked_and_tried"),
        ("sh", ". .venv/bin/activate", "docs.test_readme:test_the_first_adapter_is_checked_and_tried"),
        ("json", '{"nop"', "docs.test_readme:test_the_first_adapter_is_checked_and_tried"),
        ("text", "rejected bppkad/loket", "docs.test_readme:test_the_first_adapter_is_checked_and_tried"),
        ("sh", "uv run python -m tests.bench", "docs.test_readme:test_the_command_of_the_figures_is_one"),
    ],
    "adapters/README.md": [
        ("sh", "bus new adapter", "docs.test_readme:test_a_new_adapter_is_made_as_the_guide_says"),
        ("toml", "app ", "adapters.test_readme:test_the_contract_it_shows_passes_the_lint"),
        (
            "python",
            "from collections.abc import Mapping",
            "adapters.test_readme:test_the_python_it_shows_fits_a_contract",
        ),
        (
            "python",
            "from collections.abc import Sequence",
            "adapters.test_readme:test_the_python_it_shows_fits_a_contract",
        ),
        (
            "toml",
            "[source.kematian]",
            "adapters.connectors.test_sql_cdc_query:test_the_query_that_the_guide_shows_finds_rows_by_parts_of_keys",
        ),
    ],
    "deploy/README.md": [
        ("sh", "apt-get install", "docs.test_deploy:test_one_server_is_installed_as_the_guide_says"),
        ("toml", "home          =", "docs.test_deploy:test_its_settings_are_settings"),
        ("sh", "install -m 600 /dev/null", "docs.test_deploy:test_an_adapter_is_installed_as_the_guide_says"),
        ("ini", "[Service]", "docs.test_deploy:test_systemd_accepts_the_units"),
        ("sh", "bus run adapters/departments/dpmptsp/perizinan --ddl", COMMANDS),
        ("sh", "bus app credentials", "docs.test_nats:test_a_cluster_is_set_up_as_the_guide_says"),
        ("sh", "nats-server -t", "docs.test_nats:test_a_cluster_is_set_up_as_the_guide_says"),
        ("toml", "home     =", "docs.test_nats:test_a_cluster_is_set_up_as_the_guide_says"),
        ("sh", "bus streams plan     #", "docs.test_nats:test_a_cluster_is_set_up_as_the_guide_says"),
        ("sh", "bus check", "docs.test_nats:test_a_cluster_is_set_up_as_the_guide_says"),
        ("sh", "install -d -m 700 -o bus", "docs.test_nats:test_a_cluster_is_set_up_as_the_guide_says"),
        (
            "sh",
            "systemctl stop 'bus-adapter@*'",
            "docs.test_restore:test_what_the_guide_backs_up_brings_everything_back",
        ),
        ("sh", "git pull", "docs.test_deploy:test_an_upgrade_goes_as_the_guide_says"),
        ("sh", "bus doctor --json", COMMANDS),
        ("sh", "systemctl status", "docs.test_deploy:test_an_adapter_is_looked_at_as_the_guide_says"),
        ("sh", "bus streams plan", COMMANDS),
        ("sh", "bus dlq list", COMMANDS),
        ("sh", "bus app revoke", COMMANDS),
    ],
    "schemas/README.md": [
        ("python", "from typing import", "schemas.test_readme:test_the_example_declares_a_type_and_its_correction"),
    ],
}


@pytest.mark.parametrize("guide", GUIDES)
def test_no_block_escapes(guide: str) -> None:
    found = [(block.language, block.first) for block in blocks(guide)]
    known = KNOWN[guide]
    assert len(found) == len(known), "a block without a test, or a test without its block"
    for (language, first), (wanted, beginning, _) in zip(found, known, strict=True):
        assert language == wanted
        assert first.startswith(beginning)


def test_the_tests_that_are_named_exist() -> None:
    for name in sorted({test for known in KNOWN.values() for _, _, test in known}):
        module, _, function = name.partition(":")
        assert callable(getattr(importlib.import_module(f"tests.{module}"), function, None)), name


@pytest.mark.parametrize("guide", GUIDES)
def test_every_command_and_option_exists(guide: str) -> None:
    for arguments in bus_commands(guide):
        command: Any = typer.main.get_command(app)
        words = list(arguments)
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            assert words[0] in command.commands, f"{guide}: no `bus {' '.join(arguments)}`"
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= {*options, "--help"}, f"{guide}: `bus {' '.join(arguments)}`"


def test_commands_that_do_not_exist_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for planted in ("```sh\nbus dlq redrvie x\n```\n", "see `bus status --jsn`"):
        monkeypatch.setattr("tests.docs.blocks.text_of", lambda _guide, planted=planted: planted)
        with pytest.raises(AssertionError, match=r"README\.md"):
            test_every_command_and_option_exists("README.md")


@pytest.mark.parametrize("guide", GUIDES)
def test_links_and_paths_lead_somewhere(guide: str) -> None:
    folder, text = (ROOT / guide).parent, text_of(guide)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (folder / link).exists()] == []
    named = re.findall(r"`((?:bus|adapters|schemas|deploy|tests)/[\w./-]+)`", text)
    missing = {path for path in named if not (ROOT / path).exists() and not (folder / path).exists()}
    assert missing <= {"adapters/departments/bppkad/loket/adapter.toml"}  # the reader's own
