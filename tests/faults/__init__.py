"""What goes wrong at night: killed processes, databases and servers that are away, poison, full streams, slow handlers.

Every test runs real adapter processes against a real nats-server (``city``), on real databases whose triggers write
down each write (``applications``), and compares the rows at both ends: nothing lost, nothing applied twice, order per
key.
Random moments are seeded; the seed is printed with a failure.
"""
