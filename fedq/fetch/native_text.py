"""Whether a statement in a database's own dialect only reads: asked before it is sent anywhere.

    select * from t where s = 'delete from t'     reads
    with d as (delete from t returning *) …       refused: DELETE
    select setval('s', 1)                         refused: setval()

By tokens, not by a parser: what a dialect can say is not known here, what it must not say is. The session refuses
writes once more by itself; this check also stops what no session refuses (locks, files of the server, large objects,
ending other sessions), and gives the readable error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fedq.errors import NotAllowed, ReadOnlyError

_BEGINNINGS = {
    "postgres": ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"),
    "mysql": ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "HELP", "CHECKSUM"),
    "sqlite": ("SELECT", "WITH", "VALUES", "EXPLAIN"),
    "duckdb": ("SELECT", "WITH", "VALUES", "TABLE", "FROM", "SHOW", "EXPLAIN", "DESCRIBE", "SUMMARIZE", "PIVOT",
               "UNPIVOT"),
}  # fmt: skip
_WRITES = frozenset({
    "INSERT", "UPDATE", "DELETE", "MERGE", "INTO", "TRUNCATE", "CREATE", "DROP", "ALTER", "GRANT", "REVOKE", "OUTFILE",
    "DUMPFILE", "COPY", "CALL", "VACUUM", "REINDEX",
})  # fmt: skip
#: words that are also functions (MySQL's INSERT(), TRUNCATE()), and then read
_ALSO_FUNCTIONS = frozenset({"INSERT", "TRUNCATE"})
_LOCKS = re.compile(
    r"\bFOR (NO KEY )?(UPDATE|SHARE)\b|\bFOR KEY SHARE\b|\bLOCK IN SHARE MODE\b|\bNEXT VALUE FOR\b|\bPROCEDURE\b"
)
_FUNCTIONS = {
    "postgres": re.compile(
        r"nextval|setval|set_config|lo_\w+|lowrite|loread|pg_(terminate|cancel)_backend|pg_(try_)?advisory\w*|pg_notify"
        r"|pg_read_(binary_)?file|pg_ls_\w+|pg_stat_file|pg_file_\w+|pg_logfile_\w+|pg_reload_conf|pg_rotate_logfile\w*"
        r"|pg_switch_wal|pg_create_\w+|pg_drop_\w+|pg_copy_\w+|pg_replication_\w+|pg_logical_\w+|pg_(start|stop)_backup"
        r"|pg_backup_(start|stop)|pg_promote|pg_wal_replay_(pause|resume)|pg_stat_reset\w*|pg_stat_statements_reset"
        r"|pg_log_\w+|pg_export_snapshot|pg_import_system_collations|pg_current_xact_id|txid_current|dblink\w*"
        r"|query_to_xml\w*|cursor_to_xml\w*|(table|schema|database)_to_xml\w*|crosstab\w*|ts_stat|ts_rewrite|brin_\w+"
        r"|gin_clean_pending_list|pg_prewarm|pg_truncate_visibility_map|pg_wal_\w*fpi\w*|plpgsql\w*"
    ),
    "mysql": re.compile(
        r"get_lock|release_lock|release_all_locks|load_file|nextval|setval|sys_(exec|eval|set)|lib_mysqludf\w*"
    ),
    "sqlite": re.compile(r"load_extension|fts3_tokenizer|writefile|readfile|edit|sqlite_\w+"),
    "duckdb": re.compile(
        r"nextval|setval|read_\w+|\w+_scan|\w+_query|\w+_execute|glob|sniff_csv|query|query_table|getenv|write_log"
        r"|(force_)?checkpoint|pragma_\w+|load_aws_credentials|parquet_\w+|shell\w*|which_secret|duckdb_secrets"
        r"|(en|dis)able_\w+|\w*duckdb_log\w*|\w+_grammar_extension|\w+_external_resource\w*|json_execute_\w+"
        r"|arrow_scan\w*|python_map_function|sleep_ms"
    ),
}  # fmt: skip
_TOKEN = re.compile(
    r"""(?P<text>[eE]?'(?:[^']|'')*')|(?P<dollar>\$(?:[^\W\d]\w*)?\$)|(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)"""
    r"""|(?P<line>--[^\n]*|\#[^\n]*)|(?P<open>/\*)|(?P<word>[^\W\d][\w$]*)|(?P<assign>:=)|(?P<other>\S)""",
    re.DOTALL,
)


def check_reads(sql: str, kind: str, database: str) -> None:
    """Refuse a native statement that would do more than read.

    >>> check_reads("select 'delete' as \\"update\\"", "postgres", "shop")

    Raises: ReadOnlyError, NotAllowed.
    """
    words = list(_words(sql, kind))
    while words and words[-1] == ";":
        words.pop()
    if ";" in words:
        raise NotAllowed("the text holds several statements; a query is one", hint="Run them one by one.")
    first = next((word for word in words if word != "("), "")
    allowed = _BEGINNINGS.get(kind)
    if allowed is not None and first not in allowed:
        message = f"a native query must be one that reads, and this one begins with {first[:20] or 'nothing'}"
        kind_of_error = ReadOnlyError if first in _WRITES else NotAllowed
        raise kind_of_error(message, hint="Write with execute(…, native=).", database=database)
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word in _WRITES and not (word in _ALSO_FUNCTIONS and after == "("):
            message = f"a native query may only read, and this one says {word}"
            hint = "Write with execute(…, native=); a column of that name must be quoted."
            raise ReadOnlyError(message, hint=hint, database=database)
        if after == "(" and (known := _FUNCTIONS.get(kind)) is not None and known.fullmatch(word.strip('"`').lower()):
            message = f"the function {word.strip(chr(34))}() does more than read, or reads past the database"
            raise NotAllowed(message, hint="Use execute(…, native=) where it is meant.", database=database)
    if (found := _LOCKS.search(" ".join(words))) is not None or ":=" in words:
        message = f"a native query may only read, and this one says {found[0] if found is not None else ':='}"
        raise ReadOnlyError(message, hint="Use execute(…, native=) where it is meant.", database=database)


def _words(sql: str, kind: str) -> Iterator[str]:
    """The words of a statement in capitals, brackets and semicolons; nothing from texts and comments."""
    at = 0
    while (token := _TOKEN.search(sql, at)) is not None:
        at = _end(sql, token, kind)
        if token["word"]:
            yield token["word"].upper()
        elif token["quoted"]:
            yield token["quoted"]
        elif token["assign"] or token["other"] in ("(", ")", ";", ","):
            yield token[0]


def _end(sql: str, token: re.Match[str], kind: str) -> int:
    """Where a token ends in this kind of database."""
    start, end = token.span()
    if line := token["line"]:
        if line.startswith("#") and kind != "mysql":
            return start + 1  # an operator
        return start + 2 if kind == "mysql" and re.match(r"--\S", line) else end  # two minus signs
    if token["open"]:
        return _comment_end(sql, start, kind)
    if token["dollar"] and kind in ("postgres", "duckdb"):
        closing = sql.find(token["dollar"], end)
        return len(sql) if closing < 0 else closing + len(token["dollar"])
    is_escaped = "\\" in (token["text"] or (token["quoted"] or "" if kind == "mysql" else ""))
    if is_escaped and (kind == "mysql" or token[0][0] in "eE"):
        return _escaped_end(sql, start + (token[0][0] in "eE"))
    return end


def _comment_end(sql: str, start: int, kind: str) -> int:
    if kind == "mysql" and sql.startswith(("/*!", "/*M!"), start):
        raise NotAllowed("a comment that the server runs (/*! … */) may not stand in a query", hint="Write it out.")
    if kind in ("mysql", "sqlite"):
        end = sql.find("*/", start + 2)
        return len(sql) if end < 0 else end + 2
    depth, at = 0, start
    while (edge := re.compile(r"/\*|\*/").search(sql, at)) is not None:
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
        if depth == 0:
            return at
    return len(sql)


def _escaped_end(sql: str, start: int) -> int:
    """The end of a text with backslash escapes that begins with its quote at `start`.

    A server in NO_BACKSLASH_ESCAPES would end it elsewhere, and what is code there must not pass as text here: such a
    text is refused where the two differ.
    """
    mark = sql[start]
    plain = re.compile(rf"{mark}(?:[^{mark}]|{mark}{mark})*{mark}", re.DOTALL).match(sql, start)
    escaped = re.compile(rf"{mark}(?:[^{mark}\\]|{mark}{mark}|\\.)*{mark}", re.DOTALL).match(sql, start)
    if plain is None or escaped is None or plain.end() != escaped.end():
        raise NotAllowed(
            r"a text that ends in \' ends elsewhere in another mode of the server", hint="Double the quote."
        )
    return escaped.end()
