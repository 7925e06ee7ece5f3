"""How fast the client is, measured beside its peers: ``python -m benchmarks``.

Everything runs on loopback, contenders in turn within each round, against one server in a process
of its own. Ratios count; microseconds belong to the machine.
"""
