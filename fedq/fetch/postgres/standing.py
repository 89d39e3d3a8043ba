"""Where a PostgreSQL server stands: its role, cluster, timeline and position, in one question.

The position of a primary is what it has flushed: what it has inserted may belong to a transaction that is still open,
is not sent to replicas, and would be waited for in vain. That of a replica is what it has replayed; received is not
visible. The control file knows a replica's timeline late, so the latest of three is taken: one that is still unsure
whether its history is the primary's is passed over, and never believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedq.fetch.positions import Stand
from fedq.fetch.writer import Position

#: which run of which server answers, as far as the server itself can tell
INSTANCE = "concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), inet_server_addr(), inet_server_port())"
STAND = f"""
SELECT pg_is_in_recovery(),
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END::text,
  CASE WHEN pg_is_in_recovery() THEN lpad(to_hex(greatest((SELECT timeline_id FROM pg_control_checkpoint()),
      (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
      (SELECT received_tli FROM pg_stat_wal_receiver))), 8, '0')
    ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END,
  (SELECT system_identifier FROM pg_control_system())::text,
  {INSTANCE}
"""


def stand_of(row: Sequence[Any]) -> Stand:
    """The answer to STAND, also as the texts of a COPY."""
    is_replica, position, timeline, identity, instance = row
    found = Position("postgresql", identity, int(timeline, 16), position or "")
    return Stand(found, is_replica in (True, "t"), instance)
