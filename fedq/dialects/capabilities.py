"""What each kind of database can compute exactly: (operation, family of its first operand) → how it says it.

    ("year", "date")   postgres   CAST(EXTRACT(YEAR FROM …) AS bigint), NULL for infinity, 0 for 1 BC as in DuckDB
                       mysql      YEAR(…)
                       sqlite     CAST(substr(…, 1, 4) AS INTEGER)

What is not here is computed by the local engine. A cell stands here only where the database's answer is DuckDB's for
every value that the type can hold, and `tests/oracle/test_values.py` asks each cell of each table on the real server.
The operands are checked (`Dialect.sound`) and typed before a template is filled: see `plan/values.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Cells = Mapping[tuple[str, str], str]

_NUMBERS = ("integer", "decimal")
_MOMENTS = ("date", "timestamp")
_ANY = ("integer", "decimal", "text", "date", "timestamp", "boolean", "uuid", "float")


def _cells(*groups: tuple[Sequence[str], Mapping[str, str]]) -> Cells:
    return {(operation, family): said for families, table in groups for family in families
            for operation, said in table.items()}  # fmt: skip


_ARITHMETIC = {"add": "({0} + {1})", "sub": "({0} - {1})", "mul": "({0} * {1})", "neg": "(- {0})", "abs": "abs({0})"}
_CHOICE = {"case": "CASE {0} END", "coalesce": "COALESCE({0})"}

POSTGRES: Cells = _cells(
    (_NUMBERS, _ARITHMETIC),
    (_ANY, _CHOICE),
    (("integer", "decimal", "text", "date", "timestamp"), {"greatest": "GREATEST({0})", "least": "LEAST({0})"}),
    # infinity has no parts; PostgreSQL has no year 0, so 1 BC is -1 there
    (
        _MOMENTS,
        {
            "year": "CASE WHEN isfinite({0}) THEN CAST(EXTRACT(YEAR FROM {0}) AS bigint)"
            " + CAST({0} < DATE '0001-01-01' AS integer) END",
            **{
                part: f"CASE WHEN isfinite({{0}}) THEN CAST(EXTRACT({field} FROM {{0}}) AS bigint) END"
                for part, field in {
                    "quarter": "QUARTER", "month": "MONTH", "day": "DAY", "dayofweek": "DOW", "dayofyear": "DOY",
                    "isodow": "ISODOW", "week": "WEEK",
                }.items()
            },
            **{f"trunc_{unit}": f"date_trunc('{unit}', CAST({{0}} AS timestamp))" for unit in
               ("year", "quarter", "month", "week", "day")},
        },
    ),
    (("timestamp",), {
        **{f"trunc_{unit}": f"date_trunc('{unit}', {{0}})" for unit in ("hour", "minute", "second")},
        **{part: f"CASE WHEN isfinite({{0}}) THEN CAST(floor(EXTRACT({part.upper()} FROM {{0}})) AS bigint) END"
           for part in ("hour", "minute", "second")},
    }),
    # days since 1970, where DuckDB has an infinity it computes with
    (("date",), {
        "days": "CASE {0} WHEN 'infinity' THEN 2147483647 WHEN '-infinity' THEN -2147483647"
                " ELSE CAST({0} - DATE '1970-01-01' AS bigint) END",
        "shift": "(CAST({0} AS timestamp) + {1})",
    }),
    (("timestamp",), {"shift": "({0} + {1})"}),
    (("text",), {
        "substring": "substring({0}, {1}, {2})", "substring_from": "substring({0}, {1})", "left": "left({0}, {1})",
        "right": "right({0}, {1})", "length": "CAST(char_length({0}) AS bigint)", "append": "({0} || {1})",
        "concat": "concat({0})", "position": "CAST(strpos({0}, {1}) AS bigint)",
    }),
    (_NUMBERS, {"divide": "(CAST({0} AS double precision) / CAST({1} AS double precision))"}),
    (("integer",), {"to_integer": "CAST({0} AS {1})", "to_decimal": "CAST({0} AS {1})", "to_float": "CAST({0} AS {1})",
                    "to_text": 'CAST({0} AS text) COLLATE "C"'}),
    (("decimal",), {"to_decimal": "CAST({0} AS {1})", "to_float": "CAST({0} AS {1})"}),
    (("date",), {"to_timestamp": "CAST({0} AS timestamp)"}),
    (("timestamp",), {"to_date": "CAST({0} AS date)"}),
    (("boolean",), {"to_integer": "CAST({0} AS integer)", "value": "{0}"}),
)  # fmt: skip

MYSQL: Cells = _cells(
    (_NUMBERS, _ARITHMETIC),
    (("integer", "decimal", "date", "timestamp", "text"), _CHOICE),
    (_MOMENTS, {
        "year": "YEAR({0})", "quarter": "QUARTER({0})", "month": "MONTH({0})", "day": "DAYOFMONTH({0})",
        "dayofweek": "(DAYOFWEEK({0}) - 1)", "dayofyear": "DAYOFYEAR({0})", "isodow": "(WEEKDAY({0}) + 1)",
        "week": "WEEK({0}, 3)",
        "trunc_year": "CAST(DATE_FORMAT({0}, '%Y-01-01') AS DATETIME)",
        "trunc_month": "CAST(DATE_FORMAT({0}, '%Y-%m-01') AS DATETIME)",
        "trunc_day": "CAST(CAST({0} AS DATE) AS DATETIME)",
    }),
    (("timestamp",), {"hour": "HOUR({0})", "minute": "MINUTE({0})", "second": "SECOND({0})"}),
    (("date",), {"days": "DATEDIFF({0}, DATE '1970-01-01')", "to_timestamp": "CAST({0} AS DATETIME)"}),
    (("timestamp",), {"to_date": "CAST({0} AS DATE)"}),
    (("text",), {
        "substring": "SUBSTRING({0}, {1}, {2})", "substring_from": "SUBSTRING({0}, {1})", "left": "LEFT({0}, {1})",
        "right": "RIGHT({0}, {1})", "length": "CHAR_LENGTH({0})", "append": "CONCAT({0}, {1})",
        "concat": "CONCAT({0})",
    }),
    (_NUMBERS, {"divide": "(({0} + 0e0) / ({1} + 0e0))", "to_float": "({0} + 0e0)"}),
    (("integer",), {"to_integer": "{0}", "to_decimal": "CAST({0} AS {1})"}),
    (("decimal",), {"to_decimal": "CAST({0} AS {1})"}),
)  # fmt: skip

#: no decimals (they are doubles there), no text functions (they stop at a NUL), no NULL-proof GREATEST
SQLITE: Cells = _cells(
    (("integer",), _ARITHMETIC),
    (("integer", "text", "date", "boolean"), _CHOICE),
    (("text",), {"append": "({0} || {1})"}),
    (("integer",), {"to_integer": "{0}"}),
    (("date",), {
        "year": "CAST(substr({0}, 1, 4) AS INTEGER)", "month": "CAST(substr({0}, 6, 2) AS INTEGER)",
        "day": "CAST(substr({0}, 9, 2) AS INTEGER)", "quarter": "((CAST(substr({0}, 6, 2) AS INTEGER) + 2) / 3)",
        "days": "CAST(julianday({0}) - 2440587.5 AS INTEGER)",
    }),
)  # fmt: skip

DUCKDB: Cells = _cells(
    (_NUMBERS, _ARITHMETIC),
    (("float",), _ARITHMETIC),
    (_ANY, {**_CHOICE, "greatest": "greatest({0})", "least": "least({0})"}),
    (_MOMENTS, {
        **{part: f"{part}({{0}})" for part in ("year", "quarter", "month", "day", "dayofweek", "dayofyear", "isodow",
                                               "week")},
        **{f"trunc_{unit}": f"date_trunc('{unit}', {{0}})" for unit in
           ("year", "quarter", "month", "week", "day", "hour", "minute", "second")},
        "shift": "({0} + {1})",
    }),
    (("timestamp",), {part: f"{part}({{0}})" for part in ("hour", "minute", "second")}),
    (("date",), {"days": "({0} - DATE '1970-01-01')", "to_timestamp": "CAST({0} AS TIMESTAMP)"}),
    (("timestamp",), {"to_date": "CAST({0} AS DATE)"}),
    (("text",), {
        "substring": "substring({0}, {1}, {2})", "substring_from": "substring({0}, {1})", "left": "left({0}, {1})",
        "right": "right({0}, {1})", "length": "length({0})", "append": "({0} || {1})", "concat": "concat({0})",
        "position": "strpos({0}, {1})", "upper": "upper({0})", "lower": "lower({0})", "trim": "trim({0})",
    }),
    (_NUMBERS, {"divide": "({0} / {1})", "to_float": "CAST({0} AS DOUBLE)", "to_decimal": "CAST({0} AS {1})"}),
    (("integer",), {"to_integer": "CAST({0} AS {1})", "to_text": "CAST({0} AS VARCHAR)"}),
    (("boolean",), {"to_integer": "CAST({0} AS INTEGER)", "value": "{0}"}),
)  # fmt: skip

CAPABILITIES: Mapping[str, Cells] = {
    "postgres": POSTGRES,
    "mysql": MYSQL,
    "sqlite": SQLITE,
    "duckdb": DUCKDB,
    "generic": {},
}
