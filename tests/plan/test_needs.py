"""What a plan wants to know of its tables' values before it is made."""

from __future__ import annotations

import pytest

from fedq.catalog.schema import PhysicalTable, TableSchema
from fedq.plan.needs import Need, need_of
from fedq.sql import nodes, parse

SUM = "select sum(price * (1 - discount)) from t"


@pytest.mark.parametrize(
    ("sql", "tables", "need"),
    [
        ("select * from t", {"shop.t": 1e6}, Need.NOTHING),
        ("select * from t, u", {"shop.t": 1e6, "shop.u": 5}, Need.KNOWN),
        ("select * from t, u", {"shop.t": 1, "crm.u": 5}, Need.WAITED),
        (SUM, {"shop.t": 1e6}, Need.WAITED),
        (SUM, {"shop.t": 100}, Need.NOTHING),
        (SUM, {"shop.t": None}, Need.NOTHING),
        (SUM, {"lite.t": 1e6}, Need.NOTHING),
        ("select sum(price) * 2 from t", {"shop.t": 1e6}, Need.NOTHING),
        (f"{SUM}, u", {"lite.t": 1e6, "lite.u": 1e6}, Need.KNOWN),
    ],
)
def test_what_is_wanted(sql: str, tables: dict[str, float | None], need: Need) -> None:
    known = {}
    for name, rows in tables.items():
        database, _, table = name.partition(".")
        physical = PhysicalTable(None, table)
        known[database, physical] = TableSchema(physical, (), rows=rows)
    assert need_of(nodes(parse(sql)[0]), known, lambda name: name != "lite") is need
