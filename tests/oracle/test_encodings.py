"""Text that a database does not store in UTF-8: compared as its characters, whatever bytes it has for them there.

An encoding lacks most characters, so that a literal, a key or a table's name cannot be said there at all; and some
have two forms of one character (∪ is 81BE and 879C in cp932), which the database takes for two texts.
"""

from __future__ import annotations

from typing import Any

import pytest

from fedq.errors import NotAllowed, TableNotFound
from tests.oracle.support import Places
from tests.servers import PostgresServer

TEXTS = [(1, "a"), (2, "é"), (3, None), (4, "e"), (5, "ÿ"), (6, "a ")]
UNIONS = [(1, "∪"), (2, "∪"), (3, "a"), (4, None), (5, "\\")]


class Encoded:
    """A server that makes databases of one encoding."""

    def __init__(self, server: PostgresServer, encoding: str) -> None:
        self._server, self._encoding = server, encoding

    def new_database(self) -> str:
        name = f"in_{self._encoding.lower()}"
        made = f"CREATE DATABASE {name} OWNER app TEMPLATE template0 ENCODING '{self._encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        self._server.sql(made, "postgres", admin=True)
        return self._server.url_of(name)

    def connect(self, url: str) -> Any:
        connection = self._server.connect(url)
        connection.execute("SET client_encoding = 'UTF8'")
        return connection


@pytest.fixture
def latin(postgres: PostgresServer, places: Places) -> Places:
    """`t` and `many` in a PostgreSQL of LATIN1, `日本` and its key's text in SQLite."""
    places.servers["postgres"] = Encoded(postgres, "LATIN1")
    places.define("t", "id BIGINT, s VARCHAR", TEXTS)
    places.define("日本", "id BIGINT, s VARCHAR", [*TEXTS, (7, "日"), (8, "😀"), (9, "a7")])
    places.define("many", "id BIGINT, s VARCHAR", "select i, 'a' || i from range(60000) r(i)")
    places.put("t", "postgres")
    places.put("many", "postgres")
    places.put("日本", "sqlite")
    places.tables.clear()  # so that every database is asked for every name
    places.close()
    return places


def test_what_an_encoding_lacks_is_not_said_there(latin: Places) -> None:
    for condition in (
        "s = '日'", "s <> '日'", "s in ('a', '日', 'é')", "s not in ('a', '日')", "s is distinct from '😀'", "s = 'é'",
        "s like '日%'", "s > 'a' and s <> '€'", "coalesce(s, '日') = '日'", "case when s = '日' then 1 else 2 end = 2",
    ):  # fmt: skip
        latin.check(f"select id from t where {condition}")
    assert "'é'" in latin.query("select id from t where s = 'é'").sources[0].sql
    for value in ("é", "日", "a"):
        assert (
            latin.query("select id from t where s = :s", {"s": value}).rows()
            == latin.oracle.execute("select id from t where s = ?", [value]).fetchall()
        )
    latin.check("select t.id, j.id as j from t join 日本 j on t.s = j.s")
    latin.check("select m.id from many m join 日本 j on m.s = j.s where j.id > 6")
    latin.check("select m.id from many m join 日本 j on m.s = j.s where j.id = 9")
    with pytest.raises(TableNotFound, match="中"):
        latin.query("select * from postgres.中")


@pytest.mark.parametrize("engine", ["postgres", "mariadb"], indirect=True)
def test_two_forms_of_a_character_are_one_text(
    engine: str, request: pytest.FixtureRequest, tmp_path: Any, mariadb: Any
) -> None:
    postgres = Encoded(request.getfixturevalue("postgres"), "EUC_JP") if engine == "postgres" else None
    places = Places(tmp_path, postgres, mariadb)  # type: ignore[arg-type]
    places.define("u", "id BIGINT, s VARCHAR", UNIONS)
    places.define("k", "s VARCHAR", [("∪",), ("\\",), ("日",)])
    places.define("w", "s VARCHAR, n BIGINT", [("ab", 1), ("∪", 2), ("a", 3)])
    native = {} if engine == "postgres" else {"s": "varchar(9) character set cp932"}
    places.put("u", engine, native=native)
    places.put("w", engine, native=native, key=["s"])
    places.define("o", "k BIGINT, v BIGINT", [(1, 20)])
    places.put("k", "sqlite")
    places.put("o", "sqlite")
    if engine == "postgres":
        connection = places.connection(engine)
        connection.execute("SET client_encoding = 'EUC_JP'")
        connection.pgconn.exec_(b"UPDATE u SET s = '\xad\xfc' WHERE id = 1; UPDATE w SET s = '\xad\xfc' WHERE n = 1")
    else:
        places.run(engine, "UPDATE u SET s = X'879C' WHERE id = 1", "CREATE INDEX by_s ON u (s)")
        places.run(engine, "UPDATE w SET s = X'879C' WHERE n = 1")
    for sql in (
        "select id from u where s = '∪'", "select id from u where s in ('∪', 'x')", "select id from u where s <> '∪'",
        "select id from u where s not in ('∪')", "select s, count(*) as n from u group by s", "select distinct s from u",
        "select id from u where s like '∪%'", "select count(distinct s) as n, max(s) as m from u",
        "select u.id from u join k on u.s = k.s", "select a.id, b.id as b from u a join u b on a.s = b.s",
        "select s from u union select s from k", "select id from u where s in (select s from k)",
    ):  # fmt: skip
        places.check(sql)
    with pytest.raises(NotAllowed, match="tells"):  # by its key it would be the row with the other form
        places.federation.execute("update w set n = o.v from o where o.k = w.n")
    assert sorted(places.query("select s, n from w").rows()) == [("a", 3), ("∪", 1), ("∪", 2)]
    places.end()
