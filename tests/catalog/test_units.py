"""Sizes and durations, right and wrong."""

from __future__ import annotations

import datetime as dt

import pytest

from fedq.catalog.units import parse_duration, parse_size, seconds, size


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("2GB", 2 * 10**9),
        ("1 gib", 2**30),
        ("1.5kB", 1500),
        ("512 MiB", 512 * 2**20),
        ("10_000B", 10_000),
        ("3T", 3 * 10**12),
    ],
)
def test_sizes(text: str, octets: int) -> None:
    assert parse_size(text) == octets
    assert size(text) == (None, octets)


@pytest.mark.parametrize(
    ("value", "rows"), [(5, 5), ("1000", 1000), ("1_000_000 rows", 10**6), ("1 row", 1), (1e6, 10**6)]
)
def test_rows(value: object, rows: int) -> None:
    assert size(value) == (rows, None)


@pytest.mark.parametrize(
    "value", ["5XB", "", "GB", "-1GB", "1e3", "٣GB", "0", 0, -1, 1.5, True, None, float("nan"), [1], "0.1B"]
)
def test_what_is_no_limit(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a size|a limit is"):
        size(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5m", 300), ("5 min", 300), ("1h30m", 5400), ("250ms", 0.25), ("2", 2), ("1.5 s", 1.5), ("1d", 86400), (3, 3), (0.5, 0.5),
     (dt.timedelta(seconds=90), 90)],
)  # fmt: skip
def test_durations(value: object, expected: float) -> None:
    assert seconds(value) == pytest.approx(expected)


@pytest.mark.parametrize(
    "value",
    ["", "m", "5 parsecs", "5m x", "-5m", "0s", "1:30", b"5", 0, -1, True, None, float("inf"), float("nan")],
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        seconds(value)


def test_a_duration_is_read_to_its_end() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration("5m30")
