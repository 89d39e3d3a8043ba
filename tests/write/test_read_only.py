"""Ways to write through what only reads: refused before anything is sent, and again by the session behind it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fedq
from fedq import pipeline
from fedq.events import Sent
from fedq.fetch import native_text
from fedq.fetch.mysql import session as mysql_session
from fedq.fetch.postgres import statements as postgres_statements
from fedq.write import desk, execute, rows
from tests.servers import PostgresServer, Server
from tests.write.conftest import KINDS, Place, make_place

REFUSED = (fedq.ReadOnlyError, fedq.NotAllowed, fedq.SQLSyntaxError, fedq.InvalidQuery, fedq.TableNotFound)

#: through query(), in fedq's own SQL
OURS = [
    "insert into items values (9, 'x', 1, null, null)", "update items set name = 'x'", "delete from items",
    "truncate items", "drop table items", "create table x (a int)", "create table x as select * from items",
    "alter table items add column z int", "merge into items using lookup on true when matched then delete",
    "with d as (delete from items returning *) select * from d", "with i as (insert into items (id) values (9) returning id) from i",
    "with u as (update items set name = 'x' returning id) select * from u", "select * into x from items",
    "copy items to '/tmp/x.csv'", "copy (select 1) to '/tmp/x.csv'", "copy items from '/tmp/x.csv'", "select 1; delete from items",
    "delete from items; select 1", "select 1 /* */; /* */ drop table items", "attach 'x.db'", "detach here", "pragma query_only = off",
    "set memory_limit = '1GB'", "call nextval('s')", "begin", "commit", "select * from items for update", "select nextval('s')",
    "select setval('s', 1)", "export database '/tmp/x'", "vacuum", "checkpoint", "install httpfs", "load httpfs",
    "explain analyze delete from items", "select * from items where id in (delete from items returning id)",
    "insert or replace into items (id) values (1)", "create or replace macro f() as 1", "grant all on items to public",
    "execute stmt", "prepare p as delete from items", "comment on table items is 'x'", "create view v as select 1",
]  # fmt: skip
#: with native=, in each database's own SQL; the third part says what holds where the text is not checked:
#: `session`  the read-only session refuses it
#: `role`     a role that only reads, as docs/writing.md makes it, refuses it
#: `undone`   it runs, and nothing of it is left when the query has ended: no object, setting, lock, message; the engine
#:            has nothing that would refuse it
#: `both`     the one and the other: any role's is undone, and that role refuses it
NATIVE: list[tuple[str, str, str]] = [
    *(("postgres", sql, "session") for sql in [
        "insert into items (id) values (9)", "update items set name = 'x'", "delete from items", "truncate items", "drop table items",
        "create table x (a int)", "create temp table x (a int)", "with d as (delete from items returning *) select * from d",
        "with i as (insert into items (id) values (9) returning id) select id from i", "select * into x from items",
        "select nextval('s')", "select setval('s', 99)", "select \"setval\"('s', 99)", "select pg_catalog.setval('s', 99)",
        "select /* hi */ setval /* there */ ('s', 99)", "select * from items for update", "select * from items for share",
        "select * from items for no key update", "explain analyze delete from items", "merge into items using items i on false when not matched then insert (id) values (9)",
        "table items; delete from items", "select 1; drop table items", "copy items from program 'id'", "copy items to '/tmp/fedq-x'",
        "select lo_import('/etc/passwd')", "select pg_read_file('/etc/passwd')", "select pg_reload_conf()", "select pg_switch_wal()",
        "alter table items add z int", "create view v as select 1", "grant all on items to public", "do $$ begin delete from items; end $$",
        "call nothing()", "refresh materialized view v", "comment on table items is 'x'", "select pg_create_restore_point('x')",
        "select txid_current(), nextval('s')", "vacuum items", "cluster items",
        "select * from items where id = (select setval('s', 5))", "select $$a$$, setval('s', 5)", "select E'\\'', setval('s', 5) --'",
        "listen x; notify x", "import foreign schema x from server y into z", "create extension dblink",
        "select query_to_xml('delete from items', true, true, '')", "commit", "set transaction read write", "begin read write", "reset all",
        "lock table items", "reindex table items", "prepare p as delete from items", "discard all", "listen x", "set role postgres",
        "select set_config('transaction_read_only', 'off', true)", "commit; delete from items", "end; begin read write; delete from items",
        "select 1) to stdout; commit; delete from items; copy (select 1", "show all; delete from items",
        "rollback to savepoint fedq", "set session characteristics as transaction read write", "declare c cursor with hold for select 1",
    ]),
    *(("postgres", sql, "both") for sql in [
        "select pg_advisory_lock(1)", "select pg_try_advisory_lock_shared(1, 2)", "select lo_create(0)", "select lo_from_bytea(0, 'a')", "select pg_notify('a', 'b')",
        "explain analyze create table x as select 1", "explain analyze create temp table x as select 1",
    ]),
    *(("postgres", sql, "undone") for sql in [
        "select set_config('x.y', 'z', false)", "select set_config('default_transaction_read_only', 'off', false)",
    ]),
    *(("postgres", sql, "role") for sql in [
        "select pg_terminate_backend(pg_backend_pid())", "select pg_cancel_backend(pg_backend_pid())", "select pg_logical_emit_message(false, 'a', 'b')",
    ]),
    *(("mariadb", sql, "session") for sql in [
        "insert into items (id) values (9)", "update items set name = 'x'", "delete from items", "replace into items (id) values (1)",
        "truncate items", "drop table items", "create table x (a int)", "alter table items add z int", "select 1; delete from items",
        "select * from items into outfile '/tmp/fedq-x'", "select name from items into dumpfile '/tmp/fedq-x'", "load data local infile '/etc/passwd' into table items",
        "call nothing()", "grant all on *.* to app", "rename table items to x", "analyze delete from items",
        "with x as (select 1 as id) delete from items where id in (select id from x)", "/*! delete from items */", "select 1 /*!; delete from items */",
        "select /*M!100000 1 into outfile '/tmp/fedq-x' */", "optimize table items", "flush tables", "set global read_only = 0", "select nextval(s)",
        "select next value for s", "create view v as select 1", "select * from items for update", "select 1 into @x", "select 'a\\', get_lock('a', 0), '",
        "set session transaction read write", "start transaction read write", "lock tables items write", "handler items open", "commit", "set @x = 1",
        "set statement tx_read_only = 0 for delete from items returning id", "begin not atomic commit; delete from items; end", "kill 1", "use mysql",
        "prepare p from 'delete from items'", "execute immediate 'delete from items'", "do get_lock('a', 0)", "insert into items (id) values (9) returning id",
    ]),
    *(("mariadb", sql, "undone") for sql in ["select get_lock('a', 0)", "select * from items lock in share mode", "select @x := 1"]),
    *(("mariadb", sql, "role") for sql in ["select load_file('/etc/passwd')", "analyze table items"]),
    *(("sqlite", sql, "session") for sql in [
        "insert into items (id) values (9)", "update items set name = 'x'", "delete from items", "drop table items", "create table x (a int)",
        "create temp table x (a int)", "replace into items (id) values (1)", "attach 'x.db' as x", "attach ':memory:' as x", "pragma query_only = off",
        "pragma writable_schema = on", "pragma journal_mode = delete", "vacuum", "vacuum into '/tmp/fedq-x'", "reindex", "alter table items add z int",
        "select load_extension('x')", "with x as (select 1) delete from items", "select 1; delete from items", "insert into items (id) values (9) returning id",
    ]),
    *(("duckdb", sql, "session") for sql in [
        "insert into items (id) values (9)", "update items set name = 'x'", "delete from items", "drop table items", "create table x (a int)",
        "copy items to '/tmp/fedq-x'", "attach 'x.db'", "export database '/tmp/fedq-x'", "select * from read_text('/etc/passwd')", "checkpoint",
        "select 1; delete from items", "set memory_limit = '1GB'", "install httpfs", "with x as (select 1) insert into items (id) select 9 from x",
        "from enable_logging(storage='file', storage_path='/tmp/fedq-x')", "from enable_profiling()", "from add_grammar_extension('x')",
        "from json_execute_serialized_sql(json_serialize_sql('from read_text(''/etc/passwd'')'))",
    ]),
]  # fmt: skip


@dataclass
class Guarded:
    """The four kinds of databases, and how to tell that nothing happened to one."""

    places: dict[str, Place]

    def state(self, kind: str) -> Any:
        """Rows, sequences, objects and locks, as another session sees them."""
        run = self.places[kind].run
        if kind == "postgres":
            return run(
                "SELECT (SELECT json_agg(i.* ORDER BY i.id)::text FROM items i), (SELECT (last_value, is_called)::text FROM s),"
                " (SELECT count(*) FROM pg_class WHERE relname IN ('x', 'v')), (SELECT count(*) FROM pg_largeobject_metadata),"
                " (SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = current_database())"
            )
        if kind == "mariadb":
            table = run(
                "SELECT i.*, IS_FREE_LOCK('a'), next_not_cached_value FROM items i, s ORDER BY id FOR UPDATE NOWAIT"
            )
            return table, run("SHOW TABLES")
        return run("SELECT * FROM items ORDER BY id")

    def settings(self, kind: str) -> list[tuple[Any, ...]]:
        """What is set in the session that the next query gets."""
        asked = "select coalesce(current_setting('x.y', true), ''), current_setting('default_transaction_read_only')"
        return list(self.places[kind].fed.query(asked if kind == "postgres" else "select @x", native="here"))

    def wait_for(self, kind: str, wanted: Any) -> None:
        """A session ends in the background."""
        deadline = time.monotonic() + 30
        while (found := self.state(kind)) != wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found == wanted


@pytest.fixture(scope="module")
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with pytest.MonkeyPatch.context() as patch:
        made = {}
        for kind in KINDS:
            made[kind] = make_place(kind, tmp_path_factory.mktemp(kind), request, patch)
        for kind in ("postgres", "mariadb"):
            made[kind].run("CREATE SEQUENCE s")
        yield Guarded(made)
        for place in made.values():
            place.fed.close()


def asked(place: Place, sql: str, **options: Any) -> list[Any]:
    """What was sent while the query was refused."""
    sent: list[Any] = []
    with pytest.raises(REFUSED):
        place.fed.query(sql, listener=lambda event: sent.append(event) if isinstance(event, Sent) else None, **options)
    return sent


@pytest.mark.parametrize("sql", OURS)
def test_a_query_that_would_write_is_refused_before_the_wire(guarded: Guarded, sql: str) -> None:
    before = guarded.state("sqlite")
    assert asked(guarded.places["sqlite"], sql) == []
    assert guarded.state("sqlite") == before


@pytest.mark.parametrize(("kind", "sql", "also"), NATIVE)
def test_a_native_query_that_would_write_is_refused_before_the_wire(
    guarded: Guarded, kind: str, sql: str, also: str
) -> None:
    before = guarded.state(kind)
    assert asked(guarded.places[kind], sql, native="here") == []
    assert guarded.state(kind) == before


def ways(held_by: str) -> pytest.MarkDecorator:
    held = [(kind, sql) for kind, sql, also in NATIVE if also == held_by or (also == "both" and held_by != "session")]
    return pytest.mark.parametrize(("kind", "sql"), held)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is looked at; the sessions send it as they always do."""
    monkeypatch.setattr(pipeline, "check_reads", lambda *_: None)
    monkeypatch.setattr(postgres_statements, "check_beginning", lambda *_: None)
    monkeypatch.setattr(mysql_session, "check_native", lambda *_: None)


@pytest.mark.usefixtures("unchecked")
@ways("session")
def test_without_the_check_the_session_refuses_it(guarded: Guarded, kind: str, sql: str) -> None:
    before = guarded.state(kind)
    with pytest.raises(fedq.FedqError):
        guarded.places[kind].fed.query(sql, native="here")
    guarded.wait_for(kind, before)


@pytest.mark.usefixtures("unchecked")
@ways("undone")
def test_without_the_check_nothing_is_left_of_it(guarded: Guarded, kind: str, sql: str) -> None:
    before, settings = guarded.state(kind), guarded.settings(kind)
    try:
        assert len(guarded.places[kind].fed.query(sql, native="here"))
    except fedq.ReadOnlyError:
        assert "lo_" in sql  # from PostgreSQL 16 on the session refuses them itself
    guarded.wait_for(kind, before)
    assert guarded.settings(kind) == settings


@pytest.mark.usefixtures("unchecked")
def test_without_the_check_nobody_is_notified(guarded: Guarded, postgres: PostgresServer) -> None:
    place = guarded.places["postgres"]
    with postgres.connect(place.url) as listening:
        listening.execute("LISTEN a")
        place.fed.query("select pg_notify('a', 'theirs')", native="here")
        place.fed.query("select 1", native="here")  # on the same connection, so the transaction before has ended
        place.run("NOTIFY a, 'ours'")  # they arrive in the order of their commits
        assert [message.payload for message in listening.notifies(timeout=30, stop_after=1)] == ["ours"]


@pytest.mark.usefixtures("unchecked")
@ways("role")
def test_without_the_check_a_role_that_only_reads_refuses_it(
    guarded: Guarded, reader: Callable[[str], fedq.Federation], kind: str, sql: str
) -> None:
    before = guarded.state(kind)
    fed = reader(kind)
    assert fed.query("select count(*) from items", native="here").scalar() == 3
    if "load_file" in sql:
        assert fed.query(sql, native="here").scalar() is None
    else:
        with pytest.raises(fedq.DatabaseError, match="denied"):
            fed.query(sql, native="here")
    guarded.wait_for(kind, before)


@pytest.fixture(scope="module")
def reader(guarded: Guarded, request: pytest.FixtureRequest) -> Iterator[Callable[[str], fedq.Federation]]:
    """The databases for the role that docs/writing.md makes, with its own words."""
    page = (Path(__file__).parents[2] / "docs" / "writing.md").read_text()
    scripts = dict(zip(("postgres", "mariadb"), re.findall(r"```text\n(CREATE .*?)```", page, re.DOTALL), strict=True))
    opened: dict[str, fedq.Federation] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("READER_PASSWORD", "secret")

        def made(kind: str) -> fedq.Federation:
            if kind not in opened:
                server: Server = request.getfixturevalue(kind)
                url = guarded.places[kind].url
                name = url.rpartition("/")[2]
                script = scripts[kind].replace("reader", name).replace("shop", name)
                for statement in [script] if kind == "postgres" else filter(str.strip, script.split(";")):
                    server.sql(statement, url, admin=True)
                here = {
                    "url": f"{server.scheme}://{name}@{server.host}:{server.port}/{name}",
                    "password": {"env": "READER_PASSWORD"},
                }
                opened[kind] = fedq.connect({"version": 1, "databases": {"here": here}})
            return opened[kind]

        yield made
        for fed in opened.values():
            fed.close()


def test_every_way_is_held_twice() -> None:
    """The page says how many ways there are, and what holds them; none is held by the check of the text alone."""
    page = (Path(__file__).parents[2] / "docs" / "writing.md").read_text()
    held = Counter(also for *_, also in NATIVE)
    said = re.search(
        r"Of (\d+) ways .*?\n?.*? (\d+) are refused by the session .*? (\d+) are refused by a role .*? (\d+) are refused by nothing",
        page,
        re.DOTALL,
    )
    assert said is not None
    by_role = held["role"] + held["both"]
    assert list(map(int, said.groups())) == [len(NATIVE), held["session"], by_role, held["undone"]]
    assert sum(held.values()) == held["session"] + by_role + held["undone"]
    assert len(OURS) + len(NATIVE) >= 80


@pytest.mark.parametrize("kind", KINDS)
def test_what_reads_passes(guarded: Guarded, kind: str) -> None:
    fed = guarded.places[kind].fed
    texts = [
        "select 'delete from items; drop table items' as s", "select count(*) as \"delete\" from items -- insert into",
        "with x as (select id from items) select * from x;", "select replace(name, 'o', 'update') from items",
        "select /* update items set */ id from items",
    ]  # fmt: skip
    for text in texts:
        fed.query(text.replace('"', "`") if kind == "mariadb" else text, native="here")


def _read_only(place: Place) -> fedq.Federation:
    here = place.fed.catalog.databases["here"]
    told: dict[str, Any] = {"url": here.url, "read_only": True}
    if place.kind in ("postgres", "mariadb"):
        told["password"] = {"env": f"{place.kind.upper()}_PASSWORD"}
    return fedq.connect({"version": 1, "databases": {"here": told}})


WRITES: list[Callable[[fedq.Federation], object]] = [
    lambda fed: fed.execute("insert into items (id) values (9)"),
    lambda fed: fed.execute("update items set name = 'x' where id = 1"),
    lambda fed: fed.execute("delete from items"),
    lambda fed: fed.write([{"id": 9}], "items"),
    lambda fed: fed.write([{"id": 1, "name": "x"}], "items", mode="upsert"),
    lambda fed: fed.write([{"id": 9}], "items", mode="replace"),
    lambda fed: fed.execute("drop table items", native="here"),
    lambda fed: fed.execute("create table x (a int)", native="here"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_checked", [True, False], ids=["the catalog's word", "the session"])
def test_a_read_only_database_is_not_written(
    guarded: Guarded, kind: str, is_checked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = guarded.state(kind)
    if not is_checked:
        for module in (desk, execute, rows):
            monkeypatch.setattr(module, "check_writable", lambda database: None)
    with _read_only(guarded.places[kind]) as fed:
        for write in WRITES:
            with pytest.raises(fedq.FedqError) as found:
                write(fed)
            assert not is_checked or isinstance(found.value, fedq.ReadOnlyError)
    assert guarded.state(kind) == before


def test_files_are_only_read(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("a\n1\n")
    with fedq.connect({"version": 1, "databases": {"lake": {"url": str(tmp_path / "*.csv")}}}) as fed:
        with pytest.raises(fedq.ReadOnlyError, match="only reads"):
            fed.write([{"a": 2}], "f")


def test_the_check_is_the_one_that_is_patched() -> None:
    assert pipeline.check_reads is native_text.check_reads
