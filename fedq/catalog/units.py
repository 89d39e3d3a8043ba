"""Sizes and durations as people write them: `"2GB"` → 2000000000 bytes, `"5m"` → 300 seconds.

Decimal units are powers of 1000 and binary ones (`GiB`) of 1024, as in DuckDB. Errors are ValueErrors whose text says
what is accepted, so that the catalog can add the place and a call the name of its argument.
"""

from __future__ import annotations

import datetime as dt
import math
import re

_DECIMAL = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_BYTES = {**_DECIMAL, **_BINARY, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}

DURATION = 'a duration of more than zero: seconds, or a text such as "5m" or "1h30m"'
"""What is accepted, for messages that must not repeat the value."""

_ROWS = re.compile(r"(\d[\d_]*)\s*(?:rows?)?", re.IGNORECASE | re.ASCII)
_SIZE = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """A size such as `"2GB"`, `"1.5 MiB"` or `"512k"` in bytes.

    >>> parse_size("2GB"), parse_size("1.5 KiB")
    (2000000000, 1536)

    Raises: ValueError.
    """
    match = _SIZE.fullmatch(text.strip())
    factor = _BYTES.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise ValueError(
            f'{text!r} is not a size: write a number with KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as "2GB"'
        )
    return round(float(match[1].replace("_", "")) * factor)


def size(value: object) -> tuple[int | None, int | None]:
    """A limit as (rows, bytes), one of them None: a number means rows, a text with a unit means bytes.

    >>> size(1_000_000), size("5GB"), size("200 rows")
    ((1000000, None), (None, 5000000000), (200, None))

    Raises: ValueError.
    """
    if isinstance(value, str):
        match = _ROWS.fullmatch(value.strip())
        rows, limit = (int(match[1].replace("_", "")), None) if match else (None, parse_size(value))
    elif isinstance(value, int) and not isinstance(value, bool):
        rows, limit = value, None
    elif isinstance(value, float) and value.is_integer():  # 1e6 is how many write a million
        rows, limit = int(value), None
    else:
        raise ValueError(f'a limit is a number of rows (1000000) or a size ("2GB"), not {_named(value)}')
    if (rows if limit is None else limit) < 1:  # type: ignore[operator]  # one of the two is there
        raise ValueError(f"a limit is at least one row or one byte, not {value!r}")
    return rows, limit


def parse_duration(text: str) -> float:
    """A duration such as `"5m"`, `"1h30m"`, `"250ms"` in seconds; a bare number is seconds.

    >>> parse_duration("5m"), parse_duration("1h30m"), parse_duration("250ms"), parse_duration("2.5")
    (300.0, 5400.0, 0.25, 2.5)

    Raises: ValueError.
    """
    rest = text.strip()
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", rest):
        return float(rest)
    total, at = 0.0, 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None or match[2].lower() not in _SECONDS:
            break
        total, at = total + float(match[1]) * _SECONDS[match[2].lower()], match.end()
    if not rest or at < len(rest):
        raise ValueError(
            f'{text!r} is not a duration: write seconds, or a number with ms, s, m, h or d, such as "5m" or "1h30m"'
        )
    return total


def seconds(value: object) -> float:
    """A duration as seconds, from a number, a text or a timedelta; it is more than zero.

    >>> seconds("30s"), seconds(1.5), seconds(dt.timedelta(minutes=2))
    (30.0, 1.5, 120.0)

    Raises: ValueError.
    """
    if isinstance(value, str):
        result = parse_duration(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        result = float(value)
    elif isinstance(value, dt.timedelta):
        result = value.total_seconds()
    else:
        raise ValueError(f'a duration is a number of seconds or a text such as "5m", not {_named(value)}')
    if not math.isfinite(result) or result <= 0:
        raise ValueError(f"a duration is more than zero and finite, not {value!r}")
    return result


def _named(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r}"
