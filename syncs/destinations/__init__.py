"""One module per vendor: payload shape and response parsing, nothing else.

A destination knows no engine, no ledger and no other vendor. ``base`` holds what the engine asks
of it; ``registry`` is the only place that names all of them.
"""
