"""Real PostgreSQL and MariaDB servers for the tests: own data directories, free ports, no container, no service.

A server is started by the first test that asks for it, shared by all pytest-xdist workers of the run, and stopped by
`reaper.py`, a process that outlives pytest by a moment: it acts when pytest ends, however pytest ends.

The standard library is enough to start and stop everything here; drivers are imported only to run SQL.
"""

from tests.servers.base import Server, ServerUnavailable
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import FaultProxy

__all__ = ["FaultProxy", "MariaDBServer", "PostgresServer", "Server", "ServerUnavailable"]
