"""Subjects are made and parsed in one place."""

from __future__ import annotations

import pytest

from bus import subjects
from bus.errors import ConfigError
from bus.subjects import AppName, EventName, EventSubject

APP = AppName("dinas_kesehatan", "e_puskesmas")
NAME = EventName("kependudukan", "penduduk", "pindah-keluar", 1)


def test_an_event_s_subject_is_read_as_it_was_made() -> None:
    subject = subjects.event(APP, NAME, "abcdefghijklmnop")

    assert subject == "opd.dinas-kesehatan.e-puskesmas.kependudukan.penduduk.pindah-keluar.v1.abcdefghijklmnop"
    assert EventSubject.parse(subject) == EventSubject(APP, NAME, "abcdefghijklmnop")


@pytest.mark.parametrize(
    "subject", [subjects.cursor(APP, "mutasi"), subjects.lease(APP), "dlq.a.b.record.c.d", "opd.a.b.c.d.e.x.f"]
)
def test_other_subjects_are_no_events(subject: str) -> None:
    assert EventSubject.parse(subject) is None


def test_names_are_read_in_both_forms() -> None:
    assert EventName.parse("kependudukan.penduduk.pindah-keluar.v1") == NAME
    assert EventName.parse(NAME.ce_type) == NAME
    assert str(NAME.cancelled) == "kependudukan.penduduk.pindah-keluar-dibatalkan.v1"
    assert AppName.parse("dinas_kesehatan/e_puskesmas") == APP
    assert AppName.of_tokens(*APP.prefix.split(".")) == APP


@pytest.mark.parametrize("text", ["meninggal", "a.b.c", "a.b.c.v0", "a.b.c.d.v1", "A.b.c.v1", "a.b.*.v1", "a.>.c.v1"])
def test_what_is_no_event_name(text: str) -> None:
    with pytest.raises(ConfigError, match="not the name of an event type"):
        EventName.parse(text)


@pytest.mark.parametrize("name", ["", "a.b", "a b", "*", ">", "Dukcapil", "a--b", "-a", "é"])
def test_what_cannot_be_a_token(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be part of a subject"):
        subjects.token(name)


def test_a_replay_has_an_inbox_of_its_own() -> None:
    assert subjects.subscription(NAME) != subjects.subscription(NAME, 2)
