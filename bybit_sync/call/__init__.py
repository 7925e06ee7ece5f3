"""One call to the exchange: encode, rate limit, sign, send, parse, and repeat where that is safe.

`pipeline` is the page to read first. This floor knows Bybit's headers and envelopes, but no
endpoint by name: what it needs to know of one is in its row (`records.Endpoint`).
"""
