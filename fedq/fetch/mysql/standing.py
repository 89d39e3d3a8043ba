"""Where a MariaDB server stands: its role and its GTIDs, in one question. MySQL's sets of GTIDs are not compared.

A replica's position is `gtid_slave_pos`, what it took over from its primary: a row written on the replica itself would
move its other positions, past what it has of the primary's.
"""

from __future__ import annotations

from fedq.fetch.mysql.connect import Link
from fedq.fetch.positions import Stand
from fedq.fetch.writer import Position

_STAND = "SELECT @@read_only, @@gtid_slave_pos, @@gtid_binlog_pos, @@gtid_current_pos, @@server_id, @@hostname, @@port"
_PLAIN = "SELECT @@read_only, '', '', '', @@server_id, @@hostname, @@port"


def stand_of(link: Link) -> Stand:
    """Ask a server. Raises: MySQLError."""
    [row] = link.wire.ask(_STAND if link.is_mariadb else _PLAIN)
    read_only, replayed, written, current, server, host, port = ((value or b"").decode() for value in row)
    is_replica = read_only == "1" and (bool(replayed) or not link.is_mariadb)
    text = replayed if is_replica else written or current
    position = Position("mariadb" if link.is_mariadb else "mysql", server, None, text)
    return Stand(position, is_replica, f"{host}:{port} {server}")
