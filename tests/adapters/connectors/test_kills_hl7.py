"""hl7_mllp whose process is killed, whose stream is full, whose server is away: no device hears AA for what is not
stored, and what it sends again is there once.
"""

from __future__ import annotations

KILLS, PORTION = 3, 400
