"""The figures that the bus promises, measured: ``uv run python -m tests.bench`` (``--help`` for examples).

Five are ratios to a peer that does the same work on the same server in the same run, the others are absolute. Both
sides validate the same model (``schemas.kependudukan.PendudukMeninggal``) and are traced with sampling 1.0 into a
``BatchSpanProcessor`` whose exporter counts. A figure that falls short comes with a profile that shows what holds it.
"""
