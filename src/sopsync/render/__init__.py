"""Showing plans and outcomes: one module per output."""
