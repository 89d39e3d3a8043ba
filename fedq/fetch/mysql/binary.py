"""Rows of the binary protocol, as the same texts that the text protocol sends.

A FLOAT is printed with six digits: 16777216 arrives as 16777200. Where a statement is fedq's own the column is
wrapped (`f - 0e0`); a statement of the user is run as it is written, and if a FLOAT is in its result, in this form. It
is slower, so nothing else uses it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from fedq.fetch.mysql.wire import Field, length_encoded

FLOAT = 4
_UNSIGNED = 32
_INTEGERS = {1: "b", 2: "h", 3: "i", 8: "q", 9: "i", 13: "H"}
_REALS = {FLOAT: "f", 5: "d"}
_MOMENTS = (7, 10, 12)
_DATE, _TIME = 10, 11


def values(packet: bytes, fields: Sequence[Field]) -> list[bytes | None]:
    """The values of one row as texts."""
    row: list[bytes | None] = []
    at = 1 + (len(fields) + 9) // 8
    for number, field in enumerate(fields):
        if packet[1 + (number + 2) // 8] >> ((number + 2) % 8) & 1:
            row.append(None)
        else:
            value, at = _value(packet, at, field)
            row.append(value)
    return row


def _value(packet: bytes, at: int, field: Field) -> tuple[bytes | None, int]:
    code = field.code
    if code in _INTEGERS or code in _REALS:
        shape = _INTEGERS.get(code) or _REALS[code]
        shape = "<" + (shape.upper() if code in _INTEGERS and field.flags & _UNSIGNED else shape)
        number = struct.unpack_from(shape, packet, at)[0]
        return repr(number).encode(), at + struct.calcsize(shape)
    if code in _MOMENTS or code == _TIME:
        end = at + 1 + packet[at]
        parts = packet[at + 1 : end]
        return (_span(parts) if code == _TIME else _moment(parts, code)).encode(), end
    length, at = length_encoded(packet, at)
    end = at + (length or 0)
    return packet[at:end], end


def _moment(parts: bytes, code: int) -> str:
    """What is zero at the end is not sent."""
    year, month, day, hour, minute, second, micros = struct.unpack("<HBBBBBI", parts.ljust(11, b"\0"))
    date = f"{year:04}-{month:02}-{day:02}"
    return date if code == _DATE else f"{date} {hour:02}:{minute:02}:{second:02}.{micros:06}"


def _span(parts: bytes) -> str:
    is_negative, days, hour, minute, second, micros = struct.unpack("<BIBBBI", parts.ljust(12, b"\0"))
    return f"{'-' if is_negative else ''}{days * 24 + hour:02}:{minute:02}:{second:02}.{micros:06}"
