"""A scheduled run: fetch, plan, apply, verify a slice, and say what became of it, once or for as long as it is let."""

from __future__ import annotations
