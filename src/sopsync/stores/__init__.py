"""Stores: places secrets live. `base` is the protocol, `kinds` the list of them, one module each."""
