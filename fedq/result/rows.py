"""Rows as named tuples, whatever the columns are called.

    columns  id | _database | count(*) | id        row.id, row._database, row._2, row[3], row["count(*)"]

`collections.namedtuple` will not do: it refuses `_database`, which every federated table has, cannot be asked for
`count(*)` by name, and its classes cannot be pickled.
"""

from __future__ import annotations

import functools
import keyword
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from fedq.catalog.suggest import nearest
from fedq.errors import ResultError


class RowNotFound(ResultError, IndexError):
    """A row number that the result does not have. Do: look at `len(result)`."""


class Row(tuple[Any, ...]):
    """One row: a tuple whose values are also attributes (`row.name`) and keys (`row["name"]`)."""

    __slots__ = ()
    _columns: ClassVar[tuple[str, ...]] = ()
    """The columns' names as the query has them."""
    _fields: ClassVar[tuple[str, ...]] = ()
    """The attributes' names: the columns' where Python can write them, `_0`, `_1`, … by position where it cannot."""

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, find_column(self._columns, key) if isinstance(key, str) else key)

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in zip(self._fields, self, strict=True))})"

    def __reduce__(self) -> Any:
        return (make_row, (self._columns, tuple(self)))

    def _asdict(self) -> dict[str, Any]:
        """The row as a dict; repeated names become `a`, `a_1`, as DuckDB makes them."""
        return dict(zip(unique_names(self._columns), self, strict=True))

    def _replace(self, **values: Any) -> Row:
        """The same row with some values changed, by attribute name."""
        unknown = values.keys() - set(self._fields)
        if unknown:
            raise ResultError(f"the row has no {sorted(unknown)[0]!r}", hint=f"It has {', '.join(self._fields)}.")
        return make_row(
            self._columns, tuple(values.get(name, old) for name, old in zip(self._fields, self, strict=True))
        )


def make_row(columns: Sequence[str], values: Iterable[Any]) -> Row:
    """A row of these columns.

    >>> make_row(["id", "_database"], [7, "crm"])
    Row(id=7, _database='crm')
    """
    return tuple.__new__(row_type(tuple(columns)), values)


@functools.lru_cache(maxsize=256)
def row_type(columns: tuple[str, ...]) -> type[Row]:
    """The class of the rows of one result."""
    taken = {"_columns", "_fields", "_asdict", "_replace"}
    fields: list[str] = []
    for number, name in enumerate(columns):
        usable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__") and name not in taken
        fields.append(name if usable else f"_{number}")
        taken.add(fields[-1])
    attributes: Mapping[str, Any] = {
        field: property(functools.partial(_value, number)) for number, field in enumerate(fields)
    }
    return type("Row", (Row,), {"__slots__": (), "_columns": columns, "_fields": tuple(fields), **attributes})


def _value(number: int, row: Row) -> Any:
    return tuple.__getitem__(row, number)


def find_column(columns: Sequence[str], name: str) -> int:
    """The position of a column by name: as written, else without regard to case.

    >>> find_column(["id", "Name"], "name")
    1

    Raises:
        ResultError: there is none of that name, or more than one.
    """
    for found in (
        [i for i, column in enumerate(columns) if column == name],
        [i for i, column in enumerate(columns) if column.lower() == name.lower()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise ResultError(
                f"the result has {len(found)} columns named {name!r}",
                hint="Give them different names with AS in the query, or ask by position.",
                column=name,
            )
    near = nearest(name, columns)
    listed = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
    hint = f"Did you mean {near!r}?" if near is not None else f"It has {listed or 'no columns'}."
    raise ResultError(f"the result has no column {name!r}", hint=hint, column=name)


def unique_names(columns: Sequence[str]) -> list[str]:
    """Names made distinct for targets that cannot hold one twice, in DuckDB's way.

    >>> unique_names(["a", "a", "A", "b"])
    ['a', 'a_1', 'A_2', 'b']
    """
    taken = {column.lower() for column in columns}
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        count = seen.get(column.lower(), 0)
        name = column
        while count and (name == column or name.lower() in taken):
            name, count = f"{column}_{count}", count + 1
        taken.add(name.lower())
        seen[column.lower()] = max(count, 1)
        names.append(name)
    return names
