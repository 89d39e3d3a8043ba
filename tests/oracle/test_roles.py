"""What a role or a database of PostgreSQL is set to does not change an answer."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlsplit

from tests.oracle.support import Places

ROWS = [(1, "it's \\ x", b"\\\x00A", Decimal("12.34")), (2, "NULL", b"", Decimal("1234.00")), (3, None, None, None)]
#: what would change how a text is read, how a value is written, or what a type is called
SETTINGS = (
    "standard_conforming_strings = off", "backslash_quote = off", "array_nulls = off", "transform_null_equals = on",
    "quote_all_identifiers = on", "bytea_output = escape", "DateStyle = 'German, DMY'", "IntervalStyle = iso_8601",
    "extra_float_digits = -10", "search_path = ''", "timezone = 'Asia/Kolkata'", "client_encoding = 'LATIN1'",
    "client_min_messages = debug5", "default_transaction_isolation = serializable",
)  # fmt: skip


def test_settings_of_a_role(places: Places) -> None:
    places.define("t", "id BIGINT, s VARCHAR, b BLOB, m DECIMAL(19,2)", ROWS)
    places.define("n", "id BIGINT, s VARCHAR, l VARCHAR[]", [(1, "NULL", ["NULL", None, "a,\\"]), (7, "it's \\ x", [])])
    places.put("t", "postgres", native={"m": "money"})
    places.put("n", "postgres", native={"l": "text[]"})
    database = urlsplit(places.databases["postgres"]["url"]).path[1:]
    for setting in SETTINGS:
        places.run("postgres", f'ALTER ROLE app IN DATABASE "{database}" SET {setting}')
    for sql in (
        "select * from t", "select * from n", "select id from t where s = 'it''s \\ x'", "select id from t where s like '%\\%'",
        "select id from t where b = '\\x5C\\x00\\x41'::blob", "select id from t where m > 100", "select m, count(*) from t group by m",
        "select t.id, n.id as o from t join n on t.s = n.s",
    ):  # fmt: skip
        places.check(sql)
    assert places.query("select id from t where s = :s", {"s": "it's \\ x"}).rows() == [(1,)]
    assert places.query("select id from t where id = :id", {"id": None}).rows() == []
    places.federation.write([{"id": 9, "s": "a\\b", "l": ["NULL", None, "\\"]}], "n")
    assert places.query("select s, l from n where id = 9").rows() == [("a\\b", ["NULL", None, "\\"])]
