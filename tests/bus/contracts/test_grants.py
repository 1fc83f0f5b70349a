"""Which durable consumers contracts call for together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bus.contracts import grants
from bus.contracts.model import Contract
from bus.errors import ConfigError
from bus.subjects import AppName

BASIS = "UU 24/2013 pasal 44"
DIED = "kependudukan.penduduk.meninggal.v1"


def contract(
    name: str, *, publish: tuple[str, ...] = (), subscribe: tuple[dict[str, Any], ...] = (), **more: Any
) -> Contract:
    opd, app = name.split("/")
    wanted = {"purpose": "Pemutakhiran data", "basis": BASIS, "fields": ["nik"], "handler": "mapping:terima"}
    document = {
        "app": app, "opd": opd, "title": "Uji", "owner": "Bidang", "contact": "uji@kediri.example", "stage": "pilot",
        "publish": [{"event": each, "basis": BASIS} for each in publish],
        "subscribe": [{**wanted, **each} for each in subscribe],
        **more,
    }  # fmt: skip
    return Contract.model_validate(document)


def of(found: list[grants.ConsumerGrant], app: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.stream, each.durable, each.filters) for each in found if each.app == AppName.parse(app)]


def test_a_subscription_has_one_consumer_per_stream_and_one_for_redrive() -> None:
    found = grants.consumers(
        [
            contract("rsud/simrs", publish=(DIED,)),
            contract("rsud/gawat_darurat", publish=(DIED,)),
            contract("dinkes/puskesmas", publish=(DIED,)),
            contract("dinsos/bansos", subscribe=({"event": DIED, "start": "last"},)),
        ]
    )
    durable = "dinsos_bansos_kependudukan-penduduk-meninggal-v1"
    assert of(found, "dinsos/bansos") == [
        ("OPD_DINKES", durable, (f"opd.dinkes.puskesmas.{DIED}.*",)),
        ("OPD_RSUD", durable, (f"opd.rsud.gawat-darurat.{DIED}.*", f"opd.rsud.simrs.{DIED}.*")),
        ("REDRIVE", durable, ("redrive.dinsos.bansos.kependudukan-penduduk-meninggal-v1",)),
    ]
    assert [each.start for each in found] == ["last", "last", "all"]
    assert [each.redrive for each in found] == [False, False, True]
    assert {each.subscribe.event.event for each in found if each.subscribe} == {"meninggal"}


def test_only_the_publishers_that_the_contract_names() -> None:
    found = grants.consumers(
        [
            contract("rsud/simrs", publish=(DIED,)),
            contract("dinkes/puskesmas", publish=(DIED,)),
            contract("dinsos/bansos", subscribe=({"event": DIED, "from": ["rsud/simrs"]},)),
        ]
    )
    assert [stream for stream, _, _ in of(found, "dinsos/bansos")] == ["OPD_RSUD", "REDRIVE"]


@pytest.mark.parametrize("publisher", ["dinkes/puskesmas", "tidak/ada"])
def test_a_publisher_that_no_contract_grants_has_no_stream(publisher: str) -> None:
    found = grants.consumers(
        [
            contract("dinkes/puskesmas"),
            contract("rsud/simrs", publish=(DIED,)),
            contract("dinsos/bansos", subscribe=({"event": DIED, "from": [publisher]},)),
        ]
    )
    assert [stream for stream, _, _ in of(found, "dinsos/bansos")] == ["REDRIVE"]


def test_an_application_does_not_hear_its_own_echo() -> None:
    found = grants.consumers(
        [
            contract("dinsos/bansos", publish=(DIED,), subscribe=({"event": DIED},)),
            contract("rsud/simrs", publish=(DIED,)),
        ]
    )
    assert [stream for stream, _, _ in of(found, "dinsos/bansos")] == ["OPD_RSUD", "REDRIVE"]


def test_a_source_has_a_redrive_consumer_and_one_for_its_own_cursors() -> None:
    found = grants.consumers([contract("pajak/bank", source={"setoran_harian": {"connector": "file_drop"}})])
    assert of(found, "pajak/bank") == [
        ("REDRIVE", "pajak_bank_source-setoran-harian", ("redrive.pajak.bank.source-setoran-harian",)),
        ("OPD_PAJAK", "pajak_bank_cursor-setoran-harian", ("opd.pajak.bank.cursor.setoran-harian",)),
    ]
    assert [(each.subscribe, each.redrive, each.settles) for each in found] == [
        (None, True, True),
        (None, False, False),
    ]


def test_a_retired_application_consumes_nothing_and_stays_readable() -> None:
    found = grants.consumers(
        [
            contract("rsud/lama", publish=(DIED,), subscribe=({"event": DIED},), stage="retired"),
            contract("dinsos/bansos", subscribe=({"event": DIED},)),
        ]
    )
    assert of(found, "rsud/lama") == []
    assert [stream for stream, _, _ in of(found, "dinsos/bansos")] == ["OPD_RSUD", "REDRIVE"]


def test_a_new_generation_is_a_new_consumer_and_a_time_is_kept() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    found = grants.consumers(
        [
            contract("rsud/simrs", publish=(DIED,)),
            contract("dinsos/bansos", subscribe=({"event": DIED, "generation": 2, "start": moment},)),
        ]
    )
    assert found[0].durable.endswith("-v1-g2")
    assert found[0].start == moment


def test_the_same_subscription_twice_is_an_error_that_names_the_file() -> None:
    twice = contract("dinsos/bansos", subscribe=({"event": DIED}, {"event": DIED}))
    with pytest.raises(
        ConfigError, match=r"adapter\.toml: the consumer dinsos_bansos_\S+ on REDRIVE is called for twice"
    ):
        grants.consumers([twice])


def test_names_that_look_alike_stay_apart() -> None:
    found = grants.consumers(
        [
            contract("a/b_c", source={"x": {"connector": "sql_poll"}}),
            contract("a_b/c", source={"x": {"connector": "sql_poll"}}),
        ]
    )
    assert len({each.durable for each in found}) == len(found) == 4
