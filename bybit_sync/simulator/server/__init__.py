"""The server side of the local exchange: sockets, TLS, HTTP, auth, limits, checks and faults."""
