"""The city's event catalogue: one module per domain, typed by ``schemas.types``, declared by ``schemas.base``."""
