"""Where a MariaDB server stands: its role and its GTIDs, in one question. MySQL's sets of GTIDs are not compared.

A replica's position is `gtid_slave_pos`, what it took over from its primary: a row written on the replica itself would
move its other positions, past what it has of the primary's. One that was written to, later than what it took over, is
no replica: it has rows that its primary has not.
"""

from __future__ import annotations

from fedq.fetch.mysql.connect import Link
from fedq.fetch.positions import Stand, gtids
from fedq.fetch.writer import Position

_STAND = (
    "SELECT @@read_only, @@gtid_slave_pos, @@gtid_binlog_pos, @@gtid_current_pos, @@gtid_binlog_state,"
    " @@server_id, @@hostname, @@port"
)
_PLAIN = "SELECT @@read_only, '', '', '', '', @@server_id, @@hostname, @@port"


def stand_of(link: Link) -> Stand:
    """Ask a server. Raises: MySQLError."""
    [row] = link.wire.ask(_STAND if link.is_mariadb else _PLAIN)
    read_only, replayed, written, current, history, server, host, port = ((value or b"").decode() for value in row)
    is_follower = bool(replayed) and not _wrote_itself(server, history, replayed)
    is_replica = read_only == "1" and (is_follower or not link.is_mariadb)
    text = replayed if is_replica else written or current
    position = Position("mariadb" if link.is_mariadb else "mysql", server, None, text)
    return Stand(position, is_replica, f"{host}:{port} {server}", history)


def _wrote_itself(server: str, history: str, replayed: str) -> bool:
    """Whether the server's own GTIDs go past those that it took over; domains that it does not take over are its own.

    >>> [_wrote_itself("101", history, "56-100-8") for history in ("56-101-7,56-100-8", "56-100-8,56-101-9", "1-101-9")]
    [False, True, False]
    """
    own = [gtid.split("-") for gtid in history.split(",") if gtid]
    known = gtids(replayed)
    return any(domain in known and int(number) > known[domain][0] for domain, each, number in own if each == server)
