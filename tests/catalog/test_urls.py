"""URLs taken apart and put together: no secret is left in one, and none is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedq.catalog.secrets import Secret
from fedq.catalog.urls import BadAddress, full_url, kind_of, parse_address

HERE = Path("/srv/app")


@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        ("postgresql://app@pg1/accounts", "postgres", "postgresql://app@pg1/accounts"),
        ("postgres://pg1", "postgres", "postgresql://pg1"),
        ("postgresql+psycopg://app@pg1:5433/a", "postgres", "postgresql://app@pg1:5433/a"),
        ("POSTGRESQL+asyncpg://[::1]:5432/a", "postgres", "postgresql://[::1]:5432/a"),
        ("postgresql:///crm", "postgres", "postgresql:///crm"),
        ("mysql+pymysql://a%40b@h/d", "mysql", "mysql://a%40b@h/d"),
        ("mariadb://h:3307/d%2Fx", "mysql", "mysql://h:3307/d%2Fx"),
        ("sqlite:///a/b.db", "sqlite", "sqlite:////srv/app/a/b.db"),
        ("sqlite+pysqlite:////abs/100%.db", "sqlite", "sqlite:////abs/100%.db"),
        ("duckdb:///x.duckdb", "duckdb", "duckdb:////srv/app/x.duckdb"),
        ("data/crm.db", "sqlite", "sqlite:////srv/app/data/crm.db"),
        ("./crm.SQLITE3", "sqlite", "sqlite:////srv/app/crm.SQLITE3"),
        ("~/x.sqlite", "sqlite", "sqlite:////home/me/x.sqlite"),
        ("../x.duckdb", "duckdb", "duckdb:////srv/app/../x.duckdb"),
        ("data/*.parquet", "files", "/srv/app/data/*.parquet"),
        ("data/events/", "files", "/srv/app/data/events"),
        ("/abs/y=*/m=*/*.csv", "files", "/abs/y=*/m=*/*.csv"),
        ("file:///abs/a%20b/*.json", "files", "/abs/a b/*.json"),
        ("file://x.db", "sqlite", "sqlite:////srv/app/x.db"),
        ("mssql+pyodbc://sa@h/d?driver=ODBC+18", "generic", "mssql+pyodbc://sa@h/d?driver=ODBC+18"),
        ("snowflake://u@acc/db/schema?warehouse=w", "generic", "snowflake://u@acc/db/schema?warehouse=w"),
    ],
)
def test_kinds_and_urls(text: str, kind: str, url: str) -> None:
    address = parse_address(text, HERE, "/home/me")
    assert (address.kind, address.url, address.password) == (kind, url, None)
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    ("text", "url", "password", "secrets"),
    [
        ("postgresql://app:hunter2@h/d", "postgresql://app@h/d", "hunter2", {}),
        ("postgresql://app:p%40s%2Fs%25@h/d", "postgresql://app@h/d", "p@s/s%", {}),
        ("postgresql://app:a:b#c@h/d", "postgresql://app@h/d", "a:b#c", {}),
        ("postgresql://app@h/d?password=hunter2", "postgresql://app@h/d", "hunter2", {}),
        ("mysql://app@h/d?passwd=hunter2", "mysql://app@h/d", "hunter2", {}),
        ("mysql://:hunter2@h/d", "mysql://h/d", "hunter2", {}),
        ("trino://me@h/c?access_token=hunter2&x=1", "trino://me@h/c?x=1", None, {"access_token": "hunter2"}),
        ("oracle://me:hunter2@h/?service_name=s", "oracle://me@h/?service_name=s", "hunter2", {}),
        (
            "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dsa%3BPWD%3Dhunter2%3BSERVER%3Dh",
            "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dsa%3BSERVER%3Dh",
            None,
            {"odbc_connect.PWD": "hunter2"},
        ),
        (
            "mssql+pyodbc:///?odbc_connect=PWD%3D%7Ba%3Bb%7D%7Dc%7D%3BUID%3Dsa",
            "mssql+pyodbc:///?odbc_connect=%3BUID%3Dsa",
            None,
            {"odbc_connect.PWD": "{a;b}}c}"},
        ),
    ],
)
def test_every_secret_is_taken_out_and_can_be_put_back(
    text: str, url: str, password: str | None, secrets: dict[str, str]
) -> None:
    address = parse_address(text, HERE)
    assert address.url == url
    assert address.password == (None if password is None else Secret(password))
    assert {key: secret.reveal() for key, secret in address.secrets.items()} == secrets
    assert "hunter2" not in repr(address)
    whole = full_url(address.url, password, secrets)
    again = parse_address(whole, HERE)
    assert (again.password, again.secrets) == (address.password, address.secrets)


def test_options_leave_the_url_of_a_known_kind() -> None:
    address = parse_address("postgresql://h/d?sslmode=require&application_name=a+b%26c", HERE)
    assert address.url == "postgresql://h/d"
    assert address.options == {"sslmode": "require", "application_name": "a b&c"}


@given(st.text(min_size=1).filter(lambda text: text.isprintable()), st.text(alphabet="abc_", min_size=1))
def test_any_password_survives_the_way_through_a_url(password: str, user: str) -> None:
    whole = full_url(f"postgresql://{user}@h:1/d", password)
    address = parse_address(whole, HERE)
    assert (address.url, address.password) == (f"postgresql://{user}@h:1/d", Secret(password))
    sqlalchemy = pytest.importorskip("sqlalchemy.engine")
    assert sqlalchemy.make_url(whole).password == password


CANARY = "CANARY"


@given(st.text(alphabet="@:/?#%&=[]+ x", max_size=6), st.text(alphabet="@:/?#%&=[]+ x", max_size=6))
def test_an_odd_password_is_read_right_or_refused_without_a_trace_of_it(before: str, after: str) -> None:
    """Written unescaped: what is accepted is what stands between the : and the @."""
    odd = f"{before}{CANARY}{after}"
    try:
        address = parse_address(f"postgresql://app:{odd}@host/d", HERE)
    except BadAddress as error:
        assert CANARY not in f"{error.message}{error.hint}{error.suggestion}{error!r}"
        return
    assert CANARY not in address.url and CANARY not in repr(address.options)
    assert address.password is not None and address.password.reveal() == odd.replace("%3A", ":")
    assert address.url == "postgresql://app@host/d"
