"""What the contract of the licensing service cannot say by naming columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASON = "Ditarik pemohon"  # the service asks for no reason


def ditarik(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """An application that was published and is withdrawn; one that was withdrawn before is no event."""
    if row["$previous"] is None:
        return None
    return {
        "nomor_permohonan": row["idPermohonan"],
        "membatalkan": row["$previous"],
        "alasan": row["alasan"] or REASON,
    }
