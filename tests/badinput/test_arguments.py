"""Arguments of calls that are of the wrong kind, or name what is not there; and calls for later versions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fedq
from fedq.errors import CatalogError, NotAllowed, ParameterError
from tests.badinput.support import Company

ONE = "select min(id) from customers"
Call = Callable[[fedq.Federation], Any]
WRONG: list[tuple[Call, type[fedq.FedqError], str]] = [
    (lambda fed: fed.query(ONE, using=5), ParameterError, "using"),
    (lambda fed: fed.query(ONE, using=["shop"]), ParameterError, "using"),
    (lambda fed: fed.query(ONE, using={"customers": 5}), ParameterError, "5"),
    (lambda fed: fed.query(ONE, using={5: "shop"}), ParameterError, "using"),
    (lambda fed: fed.query(ONE, using="shpo"), CatalogError, "Did you mean 'shop'"),
    (lambda fed: fed.query("select 1", using="shpo"), CatalogError, "shpo"),
    (lambda fed: fed.query(ONE, native=5), ParameterError, "5"),
    (lambda fed: fed.query(ONE, native="shpo"), CatalogError, "Did you mean 'shop'"),
    (lambda fed: fed.query(ONE, listener=5), ParameterError, "listener"),
    (lambda fed: fed.query(ONE, frames={5: pd.DataFrame({"a": [1]})}), ParameterError, "5"),
    (lambda fed: fed.query(ONE, limit=True), ParameterError, "limit"),
    (lambda fed: fed.using(5), ParameterError, "5"),
    (lambda fed: fed.using("shpo"), CatalogError, "shpo"),
    (lambda fed: fed.using(customers=5), ParameterError, "5"),
    (lambda fed: fed.assign(5, "shop"), ParameterError, "5"),
    (lambda fed: fed.assign("", "shop"), ParameterError, "table"),
    (lambda fed: fed.assign("customers", None), ParameterError, "None"),
    (lambda fed: fed.columns(5), ParameterError, "5"),
    (lambda fed: fed.execute("delete from customers where false", using=5), ParameterError, "using"),
    (lambda fed: fed.write([{"id": 9}], "customers", using=5), ParameterError, "using"),
    (lambda fed: fedq.use(fed.catalog), ParameterError, "Catalog"),
    (lambda fed: fedq.connect({"version": 1}, profile=5), ParameterError, "5"),
]  # type: ignore[list-item,arg-type]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_arguments_that_mean_nothing(company: Company, number: int) -> None:
    call, kind, word = WRONG[number]
    company.fails(lambda: call(company.federation), kind, word)


LATER: list[Call] = [
    lambda fed: fed.get("customers", 1),
    lambda fed: fed.related([], "orders"),
    lambda fed: fed.move("customers", to="lake"),
    lambda fed: fed.rebalance("customers", shards=["shop"]),
    lambda fed: fed.moves(),
]


@pytest.mark.parametrize("number", range(len(LATER)))
def test_what_is_for_later_says_so(company: Company, number: int) -> None:
    company.fails(lambda: LATER[number](company.federation), NotAllowed, "not available in this version")


def test_databases_are_the_same_in_any_case(company: Company) -> None:
    fed = company.federation
    expected = fed.query(ONE).rows()
    assert fed.query(ONE, using="SHOP").rows() == expected
    assert fed.query(ONE, using={"Customers": "Shop"}).rows() == expected
    assert fed.query(ONE, native="SHOP").rows() == expected
    assert fed.using("SHOP").query(ONE).rows() == expected
    assert fed.assign("customers", "SHOP").query(ONE).origins == {"shop"}
    assert fed.execute("delete from customers where id < 0", native="SHOP").databases == ("shop",)


def test_a_numpy_number_is_a_limit(company: Company) -> None:
    assert len(company.query("select * from customers", limit=np.int64(1))) == 1


def test_the_options_are_in_the_signature(company: Company) -> None:
    names = ["sql", "params", "using", "native", "frames", "limit", "timeout", "on_cross_db", "max_pull", "freshness"]
    for call in (company.federation.query, fedq.query):
        shown = inspect.signature(call).parameters
        assert list(shown)[:10] == names and shown["limit"].default is None
        assert shown["limit"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "analyze" in inspect.signature(fedq.explain).parameters


def test_the_catalog_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDQ_CATALOG", "not-there.toml")
    with pytest.raises(CatalogError, match=r"not-there\.toml"):
        fedq.query("select 1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "fedq.toml").write_text("version = 1\n[databases.a]\nurl = 'a.db'\n")
    monkeypatch.setenv("FEDQ_CATALOG", "folder")
    assert list(fedq.connect().catalog.databases) == ["a"]
    assert fedq.query("select 1").scalar() == 1
