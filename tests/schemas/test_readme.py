"""The code in the README runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bus.events import event_type_of

README = Path(__file__).parents[2] / "schemas" / "README.md"


def test_the_example_declares_a_type_and_its_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)
    exec(compile(code, str(README), "exec"), module.__dict__)  # the project's own text
    declared = [found for each in vars(module).values() if isinstance(each, type) and (found := event_type_of(each))]
    assert [str(each.name) for each in declared] == [
        "kependudukan.penduduk.hilang.v1",
        "kependudukan.penduduk.hilang-dibatalkan.v1",
    ]
