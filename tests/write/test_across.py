"""A write that combines databases says so, as a query does, and is refused where the policy refuses queries."""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path
from typing import Any

import pytest

import fedq

JOINED = "insert into items select a.id + 10, b.word from items a join lookup b on a.id = b.id"


def catalog(folder: Path, on_cross_db: str) -> dict[str, Any]:
    for name, table in (("here", "items"), ("there", "lookup")):
        with sqlite3.connect(folder / f"{name}.db") as connection:
            connection.execute(f"create table {table} (id integer primary key, word text)")
            connection.execute(f"insert into {table} values (1, 'eins')")
        connection.close()
    databases = {name: {"url": f"sqlite:///{folder / name}.db"} for name in ("here", "there")}
    return {"version": 1, "databases": databases, "policy": {"on_cross_db": on_cross_db}}


@pytest.mark.parametrize("is_in_transaction", [False, True])
def test_the_caller_is_warned_once(tmp_path: Path, is_in_transaction: bool) -> None:
    with fedq.connect(catalog(tmp_path, "warn")) as fed:
        with pytest.warns(fedq.CrossDatabaseWarning, match="combines 2 databases") as told:
            if is_in_transaction:
                with fed.transaction():
                    fed.execute(JOINED)
            else:
                fed.execute(JOINED)
        assert len(told) == 1 and told[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # to read one database and write to another combines nothing
            fed.execute("insert into items select id + 20, word from lookup")
        assert fed.query("select id, word from items order by id").rows() == [(1, "eins"), (11, "eins"), (21, "eins")]


def test_the_policy_refuses_it(tmp_path: Path) -> None:
    with fedq.connect(catalog(tmp_path, "error")) as fed:
        with pytest.raises(fedq.CrossDatabaseError, match=r"here .items. and there .lookup."):
            fed.execute(JOINED)
        assert fed.query("select count(*) from items").scalar() == 1
