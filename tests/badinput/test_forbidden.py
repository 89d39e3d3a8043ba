"""What a query may not do: reach files, servers or settings past the catalog, write, or run a second statement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fedq.errors import (
    ColumnNotFound,
    DatabaseError,
    FedqError,
    InvalidQuery,
    NotAllowed,
    ReadOnlyError,
    SQLSyntaxError,
    TableNotFound,
)  # fmt: skip
from tests.badinput.support import CANARY, Company, fails

REFUSED = (NotAllowed, ReadOnlyError, SQLSyntaxError, TableNotFound, InvalidQuery)

READERS = [
    "select * from read_csv('{file}')", "select * from read_csv_auto('{file}')", "select * from read_text('{file}')",
    "select * from read_blob('{file}')", "select * from read_parquet('{file}')",
    "select * from parquet_scan('{file}')", "select * from read_json('{file}')",
    "select * from read_json_objects('{file}')", "select * from read_ndjson('{file}')",
    "select * from glob('{folder}/*')", "select * from sniff_csv('{file}')", "select * from '{file}'",
    "from '{file}'", "select * from \"{file}\"", "select (select content from read_text('{file}'))",
    "select * from customers where name in (select content from read_text('{file}'))",
    "with x as (from read_text('{file}')) select * from x", "select * from customers, read_text('{file}')",
    "select * from customers c, lateral (select * from read_text('{file}')) t",
    "select * from (pivot (from read_text('{file}')) on filename using count(*))",
    "select * from \"read_text\"('{file}')", "select * from READ_TEXT('{file}')",
    "select * from Read_Text ( '{file}' )", "select * from main.read_text('{file}')",
    "select * from system.main.read_text('{file}')", "select * from \"system\".\"main\".\"read_text\"('{file}')",
    "select * from read_text/**/('{file}')", "select * from read_text\n('{file}')",
    "select * from read_text(['{file}'])", "select * from ｒead_text('{file}')", "select * from read_tеxt('{file}')",
    "from read_text('{file}') select content", "table '{file}'",
    "select * from sqlite_scan('{folder}/shop.db', 'customers')",
    "select * from sqlite_query('{folder}/shop.db', 'select 1')",
    "select * from postgres_scan('host=127.0.0.1', 'public', 'accounts')",
    "select * from postgres_query('crm', 'select 1')", "select * from mysql_query('bills', 'select 1')",
    "select * from query('select content from read_text(''{file}'')')", "select * from query_table('customers')",
    "select * from query_table(['{file}'])", "select * from read_csv(getvariable('f'))",
    "select * from st_read('{file}')", "select * from read_xlsx('{file}')", "select * from iceberg_scan('{file}')",
    "select * from delta_scan('{file}')", "select * from sql_auto_complete('sel')", "select * from duckdb_settings()",
    "select * from duckdb_secrets()", "select * from duckdb_databases()", "select * from duckdb_tables()",
    "select * from duckdb_extensions()", "select * from pragma_database_list()",
    "select * from pragma_storage_info('customers')", "select * from duckdb_logs",
    "select * from duckdb_temporary_files()", "select * from which_secret('{file}', 's3')",
    "select * from python_map_function()", "select * from seq_scan('customers')", "select * from arrow_scan(1, 2, 3)",
    "select * from pandas_scan(1)", "select * from checkpoint()", "select * from force_checkpoint()",
    "select * from test_all_types()", "select * from summary((from read_text('{file}')))",
]  # fmt: skip


@pytest.mark.parametrize("sql", READERS)
def test_a_query_reads_nothing_past_the_catalog(company: Company, sql: str) -> None:
    file = company.folder / "private.csv"
    file.write_text(f"a,b\n{CANARY},2\n")
    company.fails(lambda: company.query(sql.format(file=file, folder=company.folder)), REFUSED)


SCALARS = [
    "select getenv('HOME')", "select current_setting('memory_limit')", "select current_setting('temp_directory')",
    "select getvariable('x')", "select nextval('s')", "select currval('s')", "select \"getenv\"('HOME')",
    "select 'HOME'.getenv()", "select id from customers where getenv('HOME') <> ''",
    "select list_transform([1], lambda x: getenv('HOME'))", "select write_log('x')", "select read_text('/etc/passwd')",
    "select main.current_setting('memory_limit')", "select system.main.current_setting('memory_limit')",
    "select pg_read_file('/etc/passwd')", "select load_file('/etc/passwd')", "select current_connection_id()",
    "select pg_sleep(1) from customers", "select sleep(1) from customers", "select load_extension('x') from customers",
    "select json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
]  # fmt: skip


@pytest.mark.parametrize("sql", SCALARS)
def test_a_query_asks_nothing_of_the_machine(company: Company, sql: str) -> None:
    company.fails(lambda: company.query(sql), REFUSED)


STATEMENTS = [
    "attach '{folder}/new.db'", "attach '{folder}/shop.db' as x (type sqlite)", "detach memory", "use memory",
    "copy customers to '{folder}/out.csv'", "copy (select * from customers) to '{folder}/out.csv'",
    "copy customers from '{file}'", "export database '{folder}/out'", "import database '{folder}/out'",
    "pragma database_list", "pragma enable_profiling", "pragma enable_progress_bar", "set memory_limit = '1MB'",
    "set threads = 1", "set enable_external_access = true", "set lock_configuration = false", "reset threads",
    "set variable f = '{file}'", "install httpfs", "load httpfs", "force install httpfs from 'http://127.0.0.1:1'",
    "update extensions", "call pragma_version()", "call duckdb_settings()", "checkpoint", "force checkpoint",
    "vacuum", "analyze", "begin", "commit", "rollback", "prepare p as select 1", "execute p", "deallocate p",
    "explain select * from customers", "explain analyze select * from read_text('{file}')",
    "create secret s (type s3)", "drop secret s", "create macro m(x) as x",
    "create macro m() as table select * from read_text('{file}')", "create type t as integer", "create sequence s",
    "create schema s", "comment on table customers is 'x'", "kill 1", "grant all on customers to x",
    "lock table customers", "select * into x from customers", "select * from customers for update",
    "declare c cursor for select 1", "listen x", "do $$ begin end $$",
]  # fmt: skip

WRITES = [
    "insert into customers values (99, 'x', 1, null)", "insert into customers select * from customers",
    "insert or replace into customers values (1, 'x', 1, null)", "update customers set name = 'x'",
    "delete from customers", "truncate customers", "truncate table customers", "drop table customers",
    "drop table if exists customers", "alter table customers add column x int",
    "create table x as select * from customers", "create table x (id int)",
    "create or replace table customers as select 1", "create view x as select 1", "create temp table x as select 1",
    "create index i on customers (id)", "merge into customers using orders on true when matched then delete",
    "insert into customers values (98, 'x', 1, null) returning id", "delete from customers returning *",
    "with x as (insert into customers values (97, 'x', 1, null) returning id) select * from x",
    "with x as (delete from customers returning id) select * from x",
    "replace into customers values (1, 'x', 1, null)",
]  # fmt: skip


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_query_is_a_select(company: Company, sql: str) -> None:
    company.fails(lambda: company.query(sql.format(file=company.folder / "f", folder=company.folder)), REFUSED)
    assert not [*company.folder.glob("out*"), *company.folder.glob("new*")]


@pytest.mark.parametrize("sql", WRITES)
def test_a_query_does_not_write(company: Company, sql: str) -> None:
    company.fails(lambda: company.query(sql), (ReadOnlyError, NotAllowed, SQLSyntaxError))


SECOND = [
    "select 1; drop table customers", "select 1;drop table customers;--", "select 1 /* ; */; delete from customers",
    "select 1 -- ;\n; delete from customers", "select ';'; delete from customers",
    "select $$;$$; delete from customers", "select 1 /* /* nested */ ; */; delete from customers",
    "select '\\'; delete from customers; --'", "select e'\\''; delete from customers; --'",
    "select 1;\u00a0delete from customers", "; delete from customers", "select 1\u037e delete from customers",
    "select 1; select 2",
]  # fmt: skip


@pytest.mark.parametrize("sql", SECOND)
def test_a_second_statement_is_found_wherever_it_hides(company: Company, sql: str) -> None:
    try:
        company.query(sql)
    except FedqError as error:
        assert error.hint
    company.works(company.federation)


def test_what_other_tools_write_says_what_to_write_here(company: Company) -> None:
    company.fails(lambda: company.query("explain select 1"), NotAllowed, "fed.explain")
    company.fails(lambda: company.query("show tables"), NotAllowed, "fed.tables()")


def test_a_semicolon_in_a_text_is_a_text(company: Company) -> None:
    assert (
        company.query("select '; drop table customers; --' as x from customers limit 1").scalar()
        == "; drop table customers; --"
    )
    assert company.query("select count(*) /* ; delete from customers */ from customers -- ; drop").scalar() == 20


def test_no_python_variable_is_a_table(company: Company) -> None:
    my_secret_frame = pd.DataFrame({"password": [CANARY]})
    error = company.fails(lambda: company.query("select * from my_secret_frame"), TableNotFound, "my_secret_frame")
    assert "frames" in str(error) or error.hint
    assert company.query("select count(*) from f", frames={"f": my_secret_frame}).scalar() == 1
    company.fails(lambda: company.query("select * from f"), TableNotFound)
    company.fails(lambda: company.query("select my_secret_frame"), (ColumnNotFound, InvalidQuery))


def test_a_frame_does_not_outlive_its_call(company: Company) -> None:
    frame = pd.DataFrame({"a": [1]})
    assert company.query("select a from frame_of_one", frames={"frame_of_one": frame}).scalar() == 1
    company.fails(lambda: company.query("select a from frame_of_one"), TableNotFound)


@pytest.mark.parametrize("name", ["customers", "read_csv", "glob", "a;b", 'a"b', "--", "*"])
def test_names_that_look_like_something_else(company: Company, name: str) -> None:
    """A frame may have any name; it is only ever a name."""
    frame = pd.DataFrame({"a": [7]})
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        assert company.query(f"select count(*) from {quoted}", frames={name: frame}).scalar() in (1, 20)
    except FedqError as error:
        assert error.hint
    except UserWarning as warning:
        assert name in str(warning)
    company.works(company.federation)


NATIVE_WRITES = {
    "shop": [
        "delete from customers", "drop table customers", "attach '{folder}/new.db' as n", "pragma query_only = 0",
        "vacuum into '{folder}/new.db'", "select load_extension('x')", "create table x (a)",
        "select 1; delete from customers", "insert into customers values (99, 'x', 1, null) returning id",
    ],
    "lake": [
        "delete from orders", "copy orders to '{folder}/new.csv'", "attach '{folder}/new.db'",
        "select 1; drop table orders", "select * from read_text('{folder}/shop.db')", "set threads = 1",
        "insert into orders values (1, 2, 3) returning id",
    ],
    "crm": [
        "delete from accounts", "select 1; delete from accounts", "commit; create table x (a int)",
        "create table x (a int)", "set transaction read write", "begin read write; create table x (a int); commit",
        "copy accounts to program 'cat'", "copy accounts to stdout", "select * from secret",
        "select pg_read_file('/etc/passwd')", "selec 1",
        "with x as (delete from accounts returning id) select * from x", "select * into x from accounts", "vacuum",
        "do $$ begin delete from accounts; end $$", "select lo_create(0)", "lock table accounts",
    ],
    "bills": [
        "delete from invoices", "select 1; delete from invoices", "create table x (a int)",
        "set session transaction read write", "start transaction read write",
        "select * from invoices into outfile '/tmp/never'", "select load_file('/etc/passwd')", "select * from secret",
        "selec 1", "set global max_connections = 1", "select * from invoices for update",
        "load data local infile '/etc/passwd' into table invoices", "flush tables", "call nothing()",
    ],
}  # fmt: skip


@pytest.mark.parametrize("database", ["shop", "lake"])
def test_native_text_does_not_write_here(company: Company, database: str) -> None:
    for sql in NATIVE_WRITES[database]:
        text = sql.format(folder=company.folder)
        company.fails(lambda text=text: company.query(text, native=database), (*REFUSED, DatabaseError, ColumnNotFound))
        assert not [*company.folder.glob("new*")], sql


@pytest.mark.parametrize("database", ["crm", "bills"])
def test_native_text_does_not_write_in_servers(servers: Company, database: str, postgres: Any) -> None:
    # a large object is made, and gone with the transaction
    harmless = ("select load_file('/etc/passwd')", "select * from invoices for update", "select lo_create(0)")
    for sql in NATIVE_WRITES[database]:
        try:
            result = servers.query(sql, native=database)
        except FedqError:
            fails(lambda sql=sql: servers.query(sql, native=database), (*REFUSED, DatabaseError, ColumnNotFound))
        else:
            assert sql in harmless, sql
            assert sql != harmless[0] or result.scalar() is None
    servers.works(servers.federation)
    assert not Path("/tmp/never").exists()
    name = servers.urls["crm"].rpartition("/")[2]
    assert postgres.sql("select count(*) from pg_largeobject_metadata", name) == [(0,)]
