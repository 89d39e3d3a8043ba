"""The query phase of the MySQL protocol: a statement goes out, rows come back as Arrow arrays of each column's text.

    ┌ 3 bytes length ┬ 1 byte number ┬ length, text ┬ length, text ┬ … ┐   one packet per row
    └────────────────┴───────────────┴──────────────┴──────────────┴───┘

Only the hop from packet to packet is a loop of Python; within a block of packets every step from value to value is
one numpy operation over all rows, and the texts are gathered by Arrow straight from the receive buffer. That is
several times faster than a driver's objects, and exact: the server sends its own texts, nothing is escaped, joined or
cut. Letting the server join a row into one text (CONCAT) was measured slower, and turns into NULL where the row is
longer than max_allowed_packet.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

#: bytes of packets turned into one batch; the buffer is reused, so this is what a pull holds in memory
BLOCK = 1 << 21
#: a batch is given out when its first row is older than this, so that a slow line still shows progress
PATIENCE = 0.25
#: a packet of this length goes on in the next one
FULL = 0xFFFFFF
LOST = 2013
MALFORMED = 2027
_COM_QUERY, _COM_PREPARE, _COM_EXECUTE, _COM_FORGET, _COM_RESET = 0x03, 0x16, 0x17, 0x19, 0x1F
_HEADER = struct.Struct("<I").unpack_from
_FIELD = struct.Struct("<xHIBHBxx").unpack_from
_MORE_RESULTS = 8


@dataclass(frozen=True, slots=True)
class Field:
    """A result column as the server declares it."""

    name: str
    schema: str
    table: str
    """The stored table, "" for an expression."""
    column: str
    """The stored column, "" for an expression."""
    charset: int
    """63 is binary."""
    length: int
    code: int
    flags: int
    decimals: int


def lost(reason: str, cause: BaseException | None = None) -> NoReturn:
    """Raise what a driver raises for a connection that broke."""
    from pymysql.err import OperationalError

    raise OperationalError(LOST, f"Lost connection to the server during the query: {reason}") from cause


def malformed() -> NoReturn:
    """Raise what a driver raises for bytes that are no answer."""
    from pymysql.err import InternalError

    raise InternalError(MALFORMED, "The server's answer is malformed")


class Wire:
    """One authenticated connection, used by one thread at a time; after any error but the server's it is unusable."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._block = bytearray(1 << 14)
        self._at = self._end = 0
        self._deadline: float | None = None
        self._prepared: int | None = None
        self.received = 0
        self.is_broken = False
        self.is_streaming = False
        self.warnings = 0
        """Of the last statement that ended."""

    def until(self, deadline: float | None) -> None:
        """From now on receiving ends in a TimeoutError at this moment (of time.monotonic)."""
        self._deadline = deadline
        if deadline is None:
            self.socket.settimeout(None)

    def send(self, sql: str) -> tuple[Field, ...]:
        """Send one statement; returns the columns of its result, none when it has no result.

        Raises: pymysql.Error, the server's or for a lost connection; TimeoutError.
        """
        self.command(bytes([_COM_QUERY]) + sql.encode())
        return self._header()

    def send_prepared(self, sql: str) -> tuple[Field, ...]:
        """The same by the binary protocol: the rows are to be had by `packets`."""
        number, _ = self._prepare(sql)
        self.command(struct.pack("<BIBI", _COM_EXECUTE, number, 0, 1))
        self._prepared = number
        return self._header()

    def count_columns(self, sql: str) -> int:
        """How many columns a statement's result has, without running it. Raises: as send."""
        self._prepared, columns = self._prepare(sql)
        return columns

    def _prepare(self, sql: str) -> tuple[int, int]:
        self.command(bytes([_COM_PREPARE]) + sql.encode())
        number, columns, parameters = struct.unpack_from("<IHH", self.packet(), 1)
        for count in (parameters, columns):
            for _ in range(count + 1 if count else 0):  # their definitions come again with the rows
                self.packet()
        return number, columns

    def reset(self) -> None:
        """Make the connection as new: no transaction, no settings, no locks, no variables. Raises: as send."""
        self.command(bytes([_COM_RESET]))
        self.ended(self.packet())

    def packets(self) -> Iterator[bytes]:
        """The rows of the statement just sent, as they came."""
        while self.is_streaming:
            packet = self.packet()
            if packet[0] == 0xFE and len(packet) < 9:
                self.ended(packet)
            else:
                yield packet

    def command(self, payload: bytes) -> None:
        """Send one command. Raises: pymysql.Error for a lost connection."""
        framed = _framed(payload)
        if self._prepared is not None:  # forgetting it has no answer, so it may go in front
            framed = _framed(struct.pack("<BI", _COM_FORGET, self._prepared)) + framed
            self._prepared = None
        try:
            self.socket.sendall(framed)
        except OSError as error:
            self.is_broken = True
            lost("sending failed", error)

    def _header(self) -> tuple[Field, ...]:
        """The columns of a result."""
        first = self.packet()
        if first[0] == 0:
            self.ended(first)
            return ()
        if first[0] == 0xFB:  # it asks for a file of this machine
            self.is_broken = True
            malformed()
        count, _ = length_encoded(first, 0)
        fields = tuple(_field(self.packet()) for _ in range(count or 0))
        if self.packet()[0] != 0xFE:
            self.is_broken = True
            malformed()
        self.is_streaming = True
        return fields

    def ask(self, sql: str) -> list[list[bytes | None]]:
        """Send one statement and return its rows; for small answers."""
        width = len(self.send(sql))
        return [_values(packet, width) for packet in self.packets()]

    def rows(self, width: int) -> Iterator[list[pa.Array]]:
        """The rows of the statement just sent, as blocks of one binary array per column.

        Raises: pymysql.Error, TimeoutError.
        """
        while self.is_streaming:
            starts = self._gather()
            if not starts:
                yield self._one_large_row(width)
                continue
            columns, is_end = self._columns(starts, width)
            if columns:
                yield columns
            if is_end:
                return

    def drain(self) -> None:
        """Read the rest of the result and forget it. Raises: pymysql.Error, TimeoutError."""
        while self.is_streaming:
            starts = self._gather()
            if not starts:
                self.packet()
            elif self._block[starts[-1] + 4] >= 0xFE:  # nothing follows the end of a result
                self._at = starts[-1]
                self.ended(self.packet())

    # rows

    def _gather(self) -> list[int]:
        """Where complete packets start: of a full block, of what came within PATIENCE, or up to the result's last."""
        starts: list[int] = []
        since = time.monotonic()
        while True:
            self._scan(starts)
            if starts and (self._block[starts[-1] + 4] >= 0xFE or time.monotonic() - since > PATIENCE):
                return starts
            if self._end == len(self._block):
                if starts:
                    return starts
                if self._at == 0 and len(self._block) >= BLOCK:
                    return []
                self._make_room(BLOCK)
            self._receive()

    def _scan(self, starts: list[int]) -> None:
        at, end, block, add = self._at, self._end, self._block, starts.append
        limit = end - 5  # a header and one byte
        while at <= limit:
            following = at + 4 + (_HEADER(block, at)[0] & FULL)
            if following > end:
                break
            add(at)
            at = following
        self._at = at

    def _columns(self, starts: list[int], width: int) -> tuple[list[pa.Array] | None, bool]:
        """The values of complete packets, and whether the last of them ends the result."""
        at = np.array(starts, dtype=np.int64)
        data = np.frombuffer(self._block, dtype=np.uint8)
        ends = np.append(at[1:], self._at)
        is_end = False
        special = np.flatnonzero(data[at + 4] >= 0xFE)
        if len(special):
            count = int(special[0])
            packet = bytes(self._block[starts[count] + 4 : int(ends[count])])
            self._at = int(ends[count])
            if packet[0] == 0xFF:
                self._fail(packet)
            self.ended(packet)
            is_end = True
            at, ends = at[:count], ends[:count]
        if not len(at):
            return None, is_end
        try:
            return self._split(at, ends, width), is_end
        except IndexError:
            self.is_broken = True
            malformed()

    def _split(self, at: Any, ends: Any, width: int) -> list[pa.Array]:
        data = np.frombuffer(self._block, dtype=np.uint8)
        texts = pa.py_buffer(self._block)
        count = len(at)
        even = np.arange(0, 2 * count, 2, dtype=np.int32)
        position = at + 4
        columns = []
        for _ in range(width):
            first = data[position]
            length = first.astype(np.int64)
            start = position + 1
            valid = None
            if int(first.max()) > 0xFA:
                is_null = first == 0xFB
                length[is_null] = 0
                valid = pa.py_buffer(np.packbits(~is_null, bitorder="little"))
                for marker, size in ((0xFC, 2), (0xFD, 3), (0xFE, 8)):
                    where = np.flatnonzero(first == marker)
                    if len(where):
                        base = position[where] + 1
                        length[where] = sum(data[base + i].astype(np.int64) << (8 * i) for i in range(size))
                        start[where] += size
            position = start + length
            # what lies between two values belongs to other columns: as every second element it is skipped, not copied
            bounds = np.empty(2 * count, dtype=np.int32)
            bounds[0::2], bounds[1::2] = start, position
            spread = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, pa.py_buffer(bounds), texts])
            # not by `pyarrow.array`, which imports pandas
            columns.append(spread.take(pa.Array.from_buffers(pa.int32(), count, [valid, pa.py_buffer(even)])))
        if not np.array_equal(position, ends):
            self.is_broken = True
            malformed()
        return columns

    def _one_large_row(self, width: int) -> list[pa.Array]:
        """A row that is larger than a block, read alone."""
        packet = self.packet()
        if packet[0] == 0xFE and len(packet) < 9:  # pragma: no cover - such a packet is never larger than a block
            malformed()
        return [pa.array([value], pa.binary()) for value in _values(packet, width)]

    # packets

    def packet(self) -> bytes:
        """The next packet, whole. Raises the server's error when it is one."""
        parts = []
        while True:
            self._need(4)
            length = _HEADER(self._block, self._at)[0] & FULL
            self._at += 4
            if len(self._block) - self._at < length and length > BLOCK:
                parts.append(self._exactly(length))
            else:
                self._need(length)
                parts.append(bytes(memoryview(self._block)[self._at : self._at + length]))
                self._at += length
            if length < FULL:
                break
        packet = parts[0] if len(parts) == 1 else b"".join(parts)
        if not packet:
            self.is_broken = True
            malformed()
        if packet[0] == 0xFF:
            self._fail(packet)
        return packet

    def _exactly(self, length: int) -> bytes:
        """A payload larger than the block, read into memory of its own."""
        large = bytearray(length)
        have = self._end - self._at
        large[:have] = memoryview(self._block)[self._at : self._end]
        self._at = self._end = 0
        view = memoryview(large)
        while have < length:
            have += self._receive_into(view[have:])
        return bytes(large)

    def _need(self, count: int) -> None:
        if self._end - self._at < count and len(self._block) - self._at < count:
            self._make_room(max(count, len(self._block)))
        while self._end - self._at < count:
            self._receive()

    def _make_room(self, size: int) -> None:
        """What is unread moves to the front of a block of at least `size`."""
        kept = bytes(memoryview(self._block)[self._at : self._end])
        if len(self._block) < size:
            self._block = bytearray(size)
        self._block[: len(kept)] = kept
        self._at, self._end = 0, len(kept)

    def _receive(self) -> None:
        self._end += self._receive_into(memoryview(self._block)[self._end :])

    def _receive_into(self, view: memoryview) -> int:
        try:
            if self._deadline is not None:
                self.socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
            count = self.socket.recv_into(view)
        except TimeoutError:
            self.is_broken = True
            raise
        except (OSError, ValueError) as error:  # ValueError: closed while it was waiting
            self.is_broken = True
            lost("receiving failed", error)
        if count == 0:
            self.is_broken = True
            lost("the server closed it")
        self.received += count
        return count

    def ended(self, packet: bytes) -> None:
        """Take note of an OK or EOF packet."""
        self.is_streaming = False
        if packet[0] == 0xFE:
            self.warnings, status = struct.unpack_from("<HH", packet, 1)
        else:
            _, at = length_encoded(packet, 1)
            _, at = length_encoded(packet, at)
            status, self.warnings = struct.unpack_from("<HH", packet, at)
        if status & _MORE_RESULTS:  # of a procedure; they would be taken for the answer to the next statement
            self.is_broken = True

    def _fail(self, packet: bytes) -> NoReturn:
        from pymysql.err import raise_mysql_exception

        self.is_streaming = False
        raise_mysql_exception(packet)
        raise AssertionError("not reached")


def _framed(payload: bytes) -> bytes:
    if len(payload) < FULL:
        return struct.pack("<I", len(payload)) + payload
    parts = []
    for number, start in enumerate(range(0, len(payload) + 1, FULL)):
        part = payload[start : start + FULL]
        parts.append(struct.pack("<I", len(part) | (number & 0xFF) << 24) + part)
    return b"".join(parts)


def length_encoded(packet: bytes, at: int) -> tuple[int | None, int]:
    """A length-encoded number and where it ends; None is NULL."""
    first = packet[at]
    if first < 0xFB:
        return first, at + 1
    if first == 0xFB:
        return None, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[at + 1 : at + 1 + size], "little"), at + 1 + size


def _values(packet: bytes, width: int) -> list[bytes | None]:
    at, values = 0, []
    for _ in range(width):
        length, at = length_encoded(packet, at)
        values.append(None if length is None else packet[at : at + length])
        at += length or 0
    if at != len(packet):
        malformed()
    return values


def _field(packet: bytes) -> Field:
    texts, at = [], 0
    for _ in range(6):
        length, at = length_encoded(packet, at)
        texts.append(packet[at : at + (length or 0)].decode())
        at += length or 0
    charset, length, code, flags, decimals = _FIELD(packet, at)
    return Field(texts[4], texts[1], texts[3], texts[5], charset, length, code, flags, decimals)
