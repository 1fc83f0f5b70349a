"""The benchmarks still run, at their smallest size. How fast is for a quiet machine to say."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.figures import Figure, Target
from tests.bench.offices import ROOT


@pytest.mark.timeout(300)
def test_two_figures_are_measured_and_printed() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--repeat", "1", "--json", "--only"]
    done = subprocess.run(
        [*command, "publish-batch", "consume-bulk"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, 1}, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (1 if last["short"] else 0)
    assert last["cores"] > 0
    assert set(last["figures"]) == {"publish-batch", "consume-bulk"}
    for name, figure in last["figures"].items():
        assert figure["value"] > 0
        assert figure["ours"] > 0
        assert figure["peer"] > 0
        assert figure["required"] > 0
        assert figure["short"] == (name in last["short"]) == bool(figure["profile"])
        assert figure["details"]["peer"]["spans_per_event"] >= 1
        assert 0 < figure["details"]["ours"]["spans_per_event"] < 0.05  # one for each batch


OF_SERVERS = {"capture-mariadb", "commit-to-commit", "upsert", "workbook", "workbook-memory", "hl7"}


@pytest.mark.timeout(300)
def test_figures_of_adapters_over_real_servers_are_measured() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--repeat", "1", "--json", "--only", *OF_SERVERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert set(last["figures"]) == OF_SERVERS
    assert all(figure["value"] > 0 for figure in last["figures"].values())


def test_a_figure_falls_short_on_the_wrong_side_alone() -> None:
    floor, ceiling = Target("a", "a", "x", 2), Target("b", "b", "ms", 300, ceiling=True)
    assert [Figure(floor, value, [value]).short for value in (1.9, 2.0, 2.1)] == [True, False, False]
    assert [Figure(ceiling, value, [value]).short for value in (299, 300, 301)] == [False, False, True]
