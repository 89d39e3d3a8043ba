"""How fast rows come out of MariaDB into Arrow and DuckDB, by several ways; prints a table.

    python -m benchmarks.transports_mysql [--rows 400000] [--url mysql://…] [--scanner DIR]

Without `--url` a server is started from the installed binaries. `--scanner` is a folder into which the wheels duckdb
1.5.5 and duckdb-extension-mysql-scanner 1.5.5 were unpacked: DuckDB's own scanner, to compare with.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.transports import Transport, main, to_arrow, to_duckdb

if TYPE_CHECKING:
    from tests.servers import Server

MAKE = """
CREATE TABLE IF NOT EXISTS bench
  (id bigint primary key, k int not null, amount decimal(15,2), day date, note varchar(200));
INSERT IGNORE INTO bench SELECT seq, seq % 1000, if(seq % 50 = 0, null, seq * 1.37),
  date_add('2000-01-01', interval seq % 9000 day), if(seq % 77 = 0, null, concat(repeat(md5(seq), 3), 'é', seq))
  FROM seq_1_to_{rows};
ANALYZE TABLE bench
"""
COLUMNS = ("id", "k", "amount", "day", "note")
SQL = f"SELECT {', '.join(COLUMNS)} FROM bench"
# one text per row; only what is text can hold the separator or a backslash
_ESCAPED = "REPLACE(REPLACE(REPLACE(note, '\\\\', '\\\\\\\\'), '\\t', '\\\\t'), '\\n', '\\\\n')"
ONE_TEXT = (
    "CONCAT_WS('\\t', "
    + ", ".join(f"IFNULL({_ESCAPED if name == 'note' else name}, '\\\\N')" for name in COLUMNS)
    + ")"
)
PER_RESULT_ROW = 1000


def fedq_source(url: str) -> Any:
    from fedq.catalog.model import Database
    from fedq.fetch.mysql.source import MySQLSource

    parts = urlsplit(url)
    clean = f"mysql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    return MySQLSource(Database("bench", "mysql", clean), lambda: parts.password)


def packets_to_nowhere(url: str) -> None:
    session = fedq_source(url).open()
    session._link.wire.send(SQL)
    session._link.wire.drain()


def texts_of_rows(url: str, sql: str) -> Iterator[Any]:
    """The one column of a statement, by fedq's packet reader."""
    session = fedq_source(url).open()
    session._link.wire.ask("SET sql_mode = ''")
    session._link.wire.ask("SET group_concat_max_len = 1073741824")
    session._link.wire.send(sql)
    for (column,) in session._link.wire.rows(1):
        yield column


def parsed(texts: Any) -> None:
    import pyarrow as pa
    from pyarrow import csv

    lines = b"\n".join(texts.to_pylist()) + b"\n"
    types = dict(zip(COLUMNS, (pa.int64(), pa.int32(), pa.decimal128(15, 2), pa.date32(), pa.string()), strict=True))
    csv.read_csv(
        io.BytesIO(lines),
        read_options=csv.ReadOptions(column_names=list(COLUMNS)),
        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False),
        convert_options=csv.ConvertOptions(column_types=types, null_values=["\\N"], strings_can_be_null=True),
    )


def concat_to_arrow(url: str) -> None:
    for texts in texts_of_rows(url, f"SELECT {ONE_TEXT} FROM bench"):
        parsed(texts)


def group_concat_to_arrow(url: str) -> None:
    sql = f"SELECT GROUP_CONCAT({ONE_TEXT} SEPARATOR '\\n') FROM bench GROUP BY id DIV {PER_RESULT_ROW}"
    for texts in texts_of_rows(url, sql):
        parsed(texts)


def driver_cursor(url: str) -> Iterator[list[tuple[Any, ...]]]:
    import pymysql
    from pymysql.cursors import SSCursor

    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or "",
        database=parts.path[1:], ssl_disabled=True,
    )  # fmt: skip
    cursor = connection.cursor(SSCursor)
    cursor.execute(SQL)
    while rows := cursor.fetchmany(20_000):
        yield list(rows)
    connection.close()


def driver_to_nowhere(url: str) -> None:
    for _ in driver_cursor(url):
        pass


def driver_to_arrow(url: str) -> None:
    import pyarrow as pa

    for rows in driver_cursor(url):
        pa.table(dict(zip(COLUMNS, (pa.array(column) for column in zip(*rows, strict=True)), strict=True)))


WAYS: dict[str, Callable[[str], None]] = {
    "packets read and forgotten: the floor": packets_to_nowhere,
    "fedq, to Arrow": lambda url: to_arrow(fedq_source(url)),
    "fedq, to a DuckDB table": lambda url: to_duckdb(fedq_source(url)),
    "CONCAT, a text per row → Arrow's CSV reader": concat_to_arrow,
    "GROUP_CONCAT, 1,000 rows per text → the same": group_concat_to_arrow,
    "PyMySQL SSCursor, rows only iterated": driver_to_nowhere,
    "PyMySQL SSCursor → Arrow": driver_to_arrow,
}


def make(url: str, rows: int) -> None:
    import pymysql
    from pymysql.constants import CLIENT

    parts = urlsplit(url)
    connection = pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or "",
        database=parts.path[1:], ssl_disabled=True, autocommit=True, client_flag=CLIENT.MULTI_STATEMENTS,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute(MAKE.format(rows=rows))
        while cursor.nextset():
            pass


def start(root: Path) -> Server:
    from tests.servers import MariaDBServer

    return MariaDBServer.start(root)


IMPORTS = ("duckdb", "numpy", "pyarrow.compute", "pyarrow.csv", "pymysql.cursors", "fedq.fetch.mysql.source")

if __name__ == "__main__":
    main(
        Transport(
            "mysql",
            "benchmarks.transports_mysql",
            COLUMNS,
            400_000,
            WAYS,
            IMPORTS,
            make,
            start,
            fedq_source,
            "database",
        ),
        __doc__ or "",
    )
