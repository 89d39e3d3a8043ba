"""Parameters that are missing, too many, or of no kind that can be bound; hostile values that are only values."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from fedq.errors import ComputeError, FedqError, InvalidQuery, ParameterError
from tests.badinput.support import Company

ONE = "select id from customers where id = :id"
WRONG = [
    (ONE, None, ["id"]),
    (ONE, {}, ["id"]),
    (ONE, {"di": 1}, ["id"]),
    (ONE, {"id": 1, "more": 2}, ["more"]),
    (ONE, [1], ["id"]),
    (ONE, {"id": object()}, ["id", "object"]),
    (ONE, {"id": 1 + 2j}, ["id", "complex"]),
    (ONE, {"id": lambda: 1}, ["id"]),
    (ONE, {"id": {"a": 1}}, ["id"]),
    (ONE, {"id": 10**60}, ["id"]),
    (ONE, {"id": float}, ["id"]),
    (ONE, 5, ["params"]),
    (ONE, "id", ["params"]),
    ("select id from customers where id in :id", {"id": [1, object()]}, ["id"]),
    ("select id from customers where id in :id", {"id": [[1], [2]]}, ["id"]),
    ("select id from customers where name in :id", {"id": "Ann"}, [":id", "list", "str"]),
    ("select id from customers where id not in :id", {"id": 5}, [":id", "list", "int"]),
    ("select id from customers where id = ?", [], ["1", "0"]),
    ("select id from customers where id = ?", [1, 2], ["1", "2"]),
    ("select id from customers where id = ?", {"id": 1}, ["?"]),
    ("select id from customers where id = ? or id = :id", {"id": 1}, ["?"]),
    ("select id from customers where id = $1 and name = $2", [1], ["2", "1"]),
    ("select id from customers where name = :s", {"s": "\ud800"}, ["s"]),
    ("select id from customers where since = :t", {"t": pd.Timestamp(1, unit="ns")}, ["t"]),
    ("select id from customers where since = :t", {"t": np.datetime64(1, "ns")}, ["t"]),
    ("select id from customers where credit = :d", {"d": Decimal("1e999")}, ["d"]),
    ("select id from customers where credit = :d", {"d": Decimal("sNaN")}, ["d"]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "params", "words"), WRONG)
def test_parameters_that_cannot_be_bound(company: Company, sql: str, params: object, words: list[str]) -> None:
    error = company.fails(lambda: company.query(sql, params), ParameterError, *words)
    assert isinstance(error, ValueError)


def test_bytes_of_every_kind_are_bytes(company: Company) -> None:
    for value in (b"ab", bytearray(b"ab"), memoryview(b"ab")):
        assert company.query("select :v, typeof(:v)", {"v": value}).one() == (b"ab", "BLOB")


def test_an_error_points_into_the_text_as_it_was_written(company: Company) -> None:
    with pytest.raises(InvalidQuery) as raised:
        company.query("select id from customers where id = :id and since > :id", {"id": 1})
    assert "where id = :id and since > :id" in str(raised.value)


def test_a_value_is_not_in_the_message(company: Company) -> None:
    """A parameter may be a secret too; only the driver's own error, kept as the cause, repeats it."""
    for sql in (ONE, "select id from customers where since = :id", "select :id::int from customers"):
        with pytest.raises((InvalidQuery, ComputeError, ParameterError)) as raised:
            company.query(sql, {"id": "s3cr3t-value"})
        assert "s3cr3t" not in str(raised.value)
        assert raised.value.hint
    company.works(company.federation)


HOSTILE = [
    "' or 1=1 --", "'; drop table customers; --", "\\' or 1=1 --", "name 1' union select name from customers --",
    "$$", ":id", "?", "%s", "{0}", "%(id)s", "\0", "\x1a", "name 1\\", "`", '"', "--", "/*", "*/", "\u202e",
    "＇ or 1=1",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_only_values(company: Company, value: str) -> None:
    assert company.query("select count(*) from customers where name = :v", {"v": value}).scalar() == 0
    assert company.query("select count(*) from customers where name in :v", {"v": [value, "name 1"]}).scalar() == 1
    assert company.query("select :v as v from customers limit 1", {"v": value}).scalar() == value
    company.works(company.federation)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_only_values_in_servers(servers: Company, value: str) -> None:
    for table in ("accounts", "invoices"):
        try:
            assert servers.query(f"select count(*) from {table} where name = :v", {"v": value}).scalar() == 0
            assert servers.query(f"select count(*) from {table} where name in :v", {"v": [value]}).scalar() == 0
        except FedqError as error:
            raise AssertionError(f"{table}: {error}") from error


def test_expanded_lists_do_not_take_other_names(company: Company) -> None:
    """`:a` of two values must not be confused with parameters named `a_1`, `p1`, …"""
    sql = "select id from customers where id in :a and id <> :a_1 and id <> :a_2 order by id"
    assert company.query(sql, {"a": [1, 2, 3], "a_1": 2, "a_2": 9}).rows() == [(1,), (3,)]
    sql = "select id from customers where id in :a and id in :a_1 order by id"
    assert company.query(sql, {"a": [1, 2, 3], "a_1": [3, 4]}).rows() == [(3,)]
    sql = "select id from customers where id in ? and id <> ? order by id"
    assert company.query(sql, [[1, 2, 3], 2]).rows() == [(1,), (3,)]


def test_every_kind_of_value_comes_back(company: Company) -> None:
    values = [True, 0, -1, 2**63 - 1, 2**64, 1.5, float("inf"), Decimal("1.10"), "é😀", b"\0\xff", dt.date(2024, 2, 29),
              dt.datetime(2024, 2, 29, 1, 2, 3, 4), dt.time(1, 2, 3), None, ""]  # fmt: skip
    for value in values:
        assert company.query("select :v as v", {"v": value}).scalar() == value, value
