"""Stored values that are none, in a statement that nothing is applied after: an error or no influence, never a silent
count.

MariaDB keeps zero and partial dates, SQLite anything anywhere. Without such values the same words are exact.
"""

from __future__ import annotations

import pytest

from fedq.errors import FedqError
from tests.oracle.said import Asked
from tests.oracle.support import Places

GOOD = [(1, "2024-01-05", 5), (2, "2024-02-29", -7), (3, None, None), (4, "1970-01-01", 0)]
BAD = {
    "mariadb": ["(5, '0000-00-00', 1)", "(6, '2024-00-00', 1)", "(7, '2024-05-00', 1)"],
    "sqlite": [
        "(5, '2024-1-5', 1)",
        "(6, 20240105, 1)",
        "(7, '2024-01-05 10:00', 1)",
        "(8, '2024-02-31', 1)",
        "(9, 'x', 1)",
    ],
}
#: conditions that a bad date would pass (it is below every date, or text), and values that are made of it
CONDITIONS = [
    "d < date '2024-12-01'", "d <> date '2024-01-05'", "not (d > date '2030-01-01')", "d not in (date '2024-01-05')",
    "case when d > date '2030-01-01' then 1 else 0 end = 0", "year(d) < 2030", "month(d) <> 13", "coalesce(d, d) < date '2030-01-01'",
    "d - date '2024-01-01' < 5000 or d - date '2024-01-01' >= 5000",
]  # fmt: skip


def place(places: Places, engine: str, table: str, bad: str | None) -> Asked:
    places.define(f"base_{table}", "id BIGINT, d DATE, n INTEGER", GOOD)
    places.put(table, engine, source=f"base_{table}")
    if bad is not None and engine == "mariadb":
        places.run(engine, "set sql_mode = ''", f"insert into {table} values {bad}", "set sql_mode = default")
    elif bad is not None:
        places.run(engine, f"insert into {table} values {bad}")
    return Asked(places, table, engine)


@pytest.mark.parametrize("engine", BAD, indirect=True)
def test_a_date_that_is_none_is_never_counted(engine: str, places: Places) -> None:
    clean = place(places, engine, f"clean_{engine}", None)
    for condition in CONDITIONS:
        offer = clean.offer(condition)
        assert offer is not None, condition
        assert offer.is_exact, condition
        assert clean.ids(offer.sql) == clean.wanted_ids(condition), offer.sql
    for number, bad in enumerate(BAD[engine]):
        dirty = place(places, engine, f"dirty{number}_{engine}", bad)
        for condition in CONDITIONS:
            offer = dirty.offer(condition)
            assert offer is not None
            wanted = set(clean.wanted_ids(condition))
            try:
                kept = set(dirty.ids(offer.sql))
            except FedqError:
                continue
            assert kept == wanted, f"{bad}: {condition}\n{offer.sql}"


def test_a_number_that_is_none_is_never_counted(places: Places) -> None:
    conditions = [
        "n < 9",
        "n <> 5",
        "not (n = 5)",
        "n not in (5)",
        "n is not null",
        "n + 1 > 0 or n + 1 <= 0",
        "n = n or n <> n",
    ]
    clean = place(places, "sqlite", "clean_n", None)
    for number, bad in enumerate(["'x'", "2.5", "x'00'", "'3x'"]):
        dirty = place(places, "sqlite", f"dirty_n{number}", f"(5, '2024-01-05', {bad})")
        for condition in conditions:
            offer = clean.offer(condition)
            if offer is None:
                continue
            assert offer.is_exact, condition
            assert clean.ids(offer.sql) == clean.wanted_ids(condition)
            try:
                kept = dirty.ids(offer.sql)
            except FedqError:
                continue
            assert kept == clean.wanted_ids(condition), f"{bad}: {condition}\n{offer.sql}"


@pytest.mark.parametrize("engine", BAD, indirect=True)
def test_a_hint_keeps_its_plain_words(engine: str, places: Places) -> None:
    """Where the text is applied again the column is compared as it is: the reader names a bad value and its row."""
    place(places, engine, f"plain_{engine}", None)
    asked = Asked(places, f"plain_{engine}", engine, is_sole=False)
    offer = asked.offer("d < date '2024-12-01'")
    assert offer is not None
    assert not offer.is_exact
    assert "CASE" not in offer.sql
    assert asked.offer("month(d) = 2") is None
    ranged = asked.offer("year(d) = 2024")
    assert ranged is not None
    assert asked.ids(ranged.sql) == [1, 2]
