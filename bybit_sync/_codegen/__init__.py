"""Writes ``bybit_sync/api`` from the endpoint tables in ``spec/``.

To mend an endpoint, edit its row and run ``python -m bybit_sync._codegen``; with ``--check`` it
tells whether somebody forgot to.
"""
