"""What user SQL may not call: anything that reaches files, servers or the engine's own settings past the catalog.

Fails closed: of functions in FROM only a short list may be used; every other table function is refused by name. Scalar
functions are refused where they show the machine. (The engine that runs the text has external access switched off and
its configuration locked as well: this check is what gives a readable error, not the only fence.)
"""

from __future__ import annotations

from collections.abc import Sequence

from fedq.bind.resolve import BoundTable
from fedq.bind.scope import ORIGIN, Block, Scopes
from fedq.catalog.suggest import nearest
from fedq.errors import ColumnNotFound, NotAllowed, TableNotFound
from fedq.sql import every, exp, of_kinds, span_of

#: table functions that only make rows out of their arguments
TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary"}
)
#: scalar functions that show the machine or the session, or change something
SCALAR_FUNCTIONS = frozenset({
    "getenv", "current_setting", "set_config", "getvariable", "query", "query_table", "nextval", "currval",
    "write_log", "parse_duckdb_log_message", "glob", "sniff_csv", "parquet_scan", "load_file", "txid_current",
    "current_connection_id", "current_query", "current_query_id", "in_search_path", "which_secret",
    "file_exists", "enable_logging", "shell", "icu_load_key", "sleep", "sleep_ms", "add_parquet_key",
})  # fmt: skip
#: families of functions of which only the named ones are harmless
PREFIXES = ("pg_", "duckdb_", "read_", "sqlite_", "mysql_", "postgres_", "test_", "force_")
HARMLESS = frozenset({"pg_typeof"})


#: table functions that read files, where the policy lets queries do that
FILE_FUNCTIONS = frozenset({"read_csv", "read_csv_auto", "read_parquet", "parquet_scan", "read_json", "read_json_auto"})


def check_allowed(text: str, parts: Sequence[exp.Expr], *, has_files: bool = False) -> None:
    """Refuse what a query of these nodes may not call; `has_files` is the policy `local_files = "allow"`.

    Raises: NotAllowed.
    """
    for node in of_kinds(parts, exp.Table, exp.Func, exp.Command, exp.Into, exp.Lock):
        if isinstance(node, exp.Table):
            if not (has_files and reads_file(text, node)):
                _check_table(text, node)
        elif isinstance(node, exp.Func):
            name = function_name(node)
            if has_files and name in FILE_FUNCTIONS and isinstance(node.parent, exp.Table):
                continue
            if name in SCALAR_FUNCTIONS or (name.startswith(PREFIXES) and name not in HARMLESS):
                raise _refusal(text, node, f"the function {name}() may not be used in a query")
        else:
            raise _refusal(text, node, f"{node.key.upper()} may not be used in a query")


def check_columns(text: str, scopes: Scopes) -> None:
    """Refuse `c.nme` where c is a table without such a column, before anything is read. Raises: ColumnNotFound."""
    for column in scopes.every(exp.Column):
        _check_rowid(text, column, scopes)
        block = scopes.block_of(column)
        if column.table and block is not None and _is_nowhere(column, block, scopes):
            raise _no_such_alias(text, column, scopes)
        while block is not None and not block.is_opaque and column.table.lower() not in block.tables:
            block = None if column.table.lower() in block.derived else block.parent
        if block is None or block.is_opaque or isinstance(column.this, exp.Star) or column.args.get("db") is not None:
            continue
        table = block.tables[column.table.lower()].table
        is_field = any(other.table.column(column.table) for other in scopes.occurrences)
        if table.column(column.name) is None and column.name.lower() != ORIGIN and not is_field:
            raise _no_such_column(text, column, table)


def _is_nowhere(column: exp.Column, block: Block | None, scopes: Scopes) -> bool:
    """Whether the qualifier of a column is the name of nothing that the query reads."""
    wanted = column.parts[0].name.lower()
    if len(column.parts) > 2 or any(occurrence.table.column(wanted) for occurrence in scopes.occurrences):
        return False
    while block is not None:
        if block.is_opaque or wanted in block.tables or block.derived:
            return False
        block = block.parent
    return True


def _no_such_alias(text: str, column: exp.Column, scopes: Scopes) -> TableNotFound:
    names = list(dict.fromkeys(occurrence.alias for occurrence in scopes.occurrences))
    near = nearest(column.table, names)
    hint = (
        f"Did you mean {near!r}?"
        if near
        else f"The query reads {', '.join(names)}; a table with an alias has only that."
    )
    message = f"the query reads nothing called {column.table!r}"
    return TableNotFound(message, sql=text, span=span_of(column.args["table"]), hint=hint, table=column.table)


def _check_rowid(text: str, column: exp.Column, scopes: Scopes) -> None:
    """DuckDB numbers the rows of a table; what fedq pulls has other numbers every time. Raises: ColumnNotFound."""
    if column.name.lower() != "rowid" or any(occurrence.table.column("rowid") for occurrence in scopes.occurrences):
        return
    if scopes.occurrences and not any(alias.alias.lower() == "rowid" for alias in scopes.every(exp.Alias)):
        hint = "Use the table's key, or row_number() over (order by …)."
        message = "rows have no rowid here: their numbers would depend on where the table lives"
        raise ColumnNotFound(message, sql=text, span=span_of(column.this), hint=hint, column="rowid")


def _no_such_column(text: str, column: exp.Column, table: BoundTable) -> ColumnNotFound:
    names = [known.name for known in table.columns]
    near = nearest(column.name, names)
    hint = f"Did you mean {near!r}?" if near else f"It has: {', '.join(names[:12])}{' …' if len(names) > 12 else ''}."
    message = f"{table.name} has no column {column.name!r} (database {table.database})"
    facts = {"column": column.name, "table": table.name, "database": table.database}
    return ColumnNotFound(message, sql=text, span=span_of(column.this), hint=hint, **facts)


def function_name(node: exp.Func) -> str:
    """The function's name in lower case, as the user wrote it where that is known."""
    return (node.name if isinstance(node, exp.Anonymous) else str(node.meta.get("name") or node.sql_name())).lower()


def reads_file(text: str, node: exp.Table) -> bool:
    """Whether a source is a file: `from 'x.parquet'` or `from read_csv('x.csv')`."""
    if isinstance(node.this, exp.Func):
        return function_name(node.this) in FILE_FUNCTIONS
    span = span_of(node.this)
    return span is not None and text[span[0]] == "'"


def _check_table(text: str, node: exp.Table) -> None:
    this = node.this
    if isinstance(this, exp.Identifier):
        span = span_of(this)
        if reads_file(text, node):
            message = f"the query reads a file, {this.name!r}, past the catalog"
            hint = 'Add the file to the catalog as a database, or set local_files = "allow" in its [policy].'
            raise NotAllowed(message, sql=text, span=span, hint=hint)
        return
    if isinstance(this, exp.Func):
        name = function_name(this)
        if name not in TABLE_FUNCTIONS and not isinstance(
            this, (exp.GenerateSeries, exp.Unnest, exp.ExplodingGenerateSeries)
        ):
            raise _refusal(text, this, f"the table function {name}() may not be used in a query")


def _refusal(text: str, node: exp.Expr, message: str) -> NotAllowed:
    hint = "Queries read the tables of the catalog and nothing else; put files and servers into the catalog."
    return NotAllowed(message, sql=text, span=span_of(node) or span_of(*every(node, exp.Identifier)), hint=hint)
