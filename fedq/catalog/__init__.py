"""WHAT exists and WHERE it lives: pure data, read from `fedq.toml` or a mapping."""
