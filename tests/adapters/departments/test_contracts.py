"""All contracts together: sound, and everybody who is to get an event has somebody who sends it."""

from __future__ import annotations

from adapters.demo.applications import DEPARTMENTS
from bus.contracts import load_all
from bus.contracts.grants import publishers
from bus.contracts.lint import check
from bus.events import Catalogue


def test_bus_check_finds_nothing() -> None:
    assert [str(fault) for fault in check([DEPARTMENTS], Catalogue.load())] == []


def test_every_subscription_has_a_publisher() -> None:
    contracts = load_all([DEPARTMENTS])

    for contract in contracts:
        for subscribe in contract.subscribe:
            assert publishers(subscribe, contract.name, contracts), (contract.name, subscribe.event)


def test_who_acts_on_a_fact_hears_of_its_withdrawal() -> None:
    contracts = load_all([DEPARTMENTS])
    published = {entry.event for contract in contracts for entry in contract.publish}
    missed = {
        (str(contract.name), str(entry.event))
        for contract in contracts
        for entry in contract.subscribe
        if entry.event.cancelled in published - {each.event for each in contract.subscribe}
    }

    assert missed == {
        # Its own alarms: the duty room withdraws them in the database in which its list is.
        ("bpbd/sensor", "kebencanaan.peringatan.dikeluarkan.v1"),
        # The service knows permits by their business's number, and a correction has none.
        ("dpmptsp/oss", "perizinan.izin.terbit.v1"),
        ("dpmptsp/oss", "perizinan.izin.dicabut.v1"),
    }


def test_who_sees_a_name_an_address_or_a_document_number() -> None:
    """Data minimisation: the names of persons go where they are matched or registered by them, nowhere else."""
    sensitive = {"nama", "alamat", "alamat_tujuan", "alamat_usaha", "nama_pemegang", "tempat", "nik_ibu", "nik_ayah"}
    seen = {
        (str(contract.name), str(subscribe.event)): sensitive & subscribe.fields
        for contract in load_all([DEPARTMENTS])
        for subscribe in contract.subscribe
    }

    assert {key: fields for key, fields in seen.items() if fields} == {
        # A newborn has no NIK: the dose at birth finds it by its mother's.
        ("dinkes/epuskesmas", "kesehatan.kelahiran.tercatat.v1"): {"nik_ibu"},
        # The registry finds the family of a newborn by its mother's NIK.
        ("dukcapil/siak", "kesehatan.kelahiran.tercatat.v1"): {"nik_ibu"},
        # The national record registers nobody without a name.
        ("dinkes/satusehat", "kesehatan.pasien.terdaftar.v1"): {"nama"},
        # A bedside device shows whom it measures.
        ("rsud/alat", "kesehatan.pasien.terdaftar.v1"): {"nama"},
        ("dinsos/bansos", "kependudukan.penduduk.tercatat.v1"): {"nama"},
        # A region's, nobody's.
        ("bppkad/pajak", "referensi.wilayah.berubah.v1"): {"nama"},
    }
