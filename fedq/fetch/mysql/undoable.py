"""Whether what is written to a table can be undone: MyISAM, Aria and MEMORY keep what a transaction that failed wrote.

Refused, and not left to luck: an error of fedq's says that nothing was written, and a table that keeps a part of the
rows would make that a lie.
"""

from __future__ import annotations

from collections.abc import Callable

from fedq.catalog.schema import PhysicalTable
from fedq.dialects.mysql import MYSQL
from fedq.errors import NotAllowed

Ask = Callable[[str], list[list[bytes | None]]]


def check_undoable(ask: Ask, database: str, table: PhysicalTable) -> None:
    """Refuse a table whose engine has no transactions; a view has no engine. Raises: NotAllowed."""
    schema = MYSQL.text(table.schema) if table.schema else "DATABASE()"
    rows = ask(
        "SELECT t.engine, e.transactions FROM information_schema.tables t JOIN information_schema.engines e"
        f" ON e.engine = t.engine WHERE t.table_schema = {schema} AND t.table_name = {MYSQL.text(table.name)}"
    )
    for engine, transactions in rows:
        if transactions == b"NO":
            kind = (engine or b"").decode()
            where = f"database {database!r}, table {table.name!r}"
            message = f"{where}: its engine {kind} has no transactions, so a write that fails would stay in part"
            hint = "ALTER TABLE … ENGINE = InnoDB, or write with execute(…, native=), which is not undone."
            raise NotAllowed(message, hint=hint, database=database, table=table.name)
