"""What the contract of SIAK cannot say by naming columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASON = "Status dasar dikembalikan menjadi HIDUP di aplikasi"  # OpenSID asks for no reason and keeps none


def kematian_dibatalkan(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A living person whose death was published is a withdrawn death; one of whom none was published is no event."""
    if row["$previous"] is None:
        return None
    return {"nik": row["nik"], "membatalkan": row["$previous"], "alasan": REASON}
