"""Bound query → plan: what is asked of which database, and what the local engine does with it. No I/O, no clock, no
randomness."""
