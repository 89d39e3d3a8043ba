"""Table names → where they live → what they look like. Every name of the query is settled here, before anything else
reads it.

Precedence, highest first: `using=` of the call and of `fed.using(...)`, a database-qualified name in the text
(`shop.orders`), the catalog's entry, its pattern, the one database that has such a table; then a DataFrame of that
name. A name that two databases have and the catalog does not settle is an error that names both: a guess would be a
wrong answer on the day the second table appears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fedq.catalog.model import Catalog, Database, TableEntry
from fedq.catalog.schema import Column, PhysicalTable, TableSchema
from fedq.catalog.suggest import nearest
from fedq.errors import AmbiguousTable, CatalogError, InvalidQuery, ParameterError, TableNotFound
from fedq.sql import exp, span_of
from fedq.types import Comparison, parse_type

#: the database that holds the DataFrames of a call
FRAMES = "dataframes"


class Lookup(Protocol):
    """What resolving needs to know of the databases; the federation answers it from its sources."""

    def databases_with(self, table: PhysicalTable) -> Sequence[tuple[str, PhysicalTable]]:
        """Every database that has a table of this name (and schema, when given), with its exact name there."""

    def describe(
        self, tables: Sequence[tuple[str, PhysicalTable]], parts: Sequence[exp.Expr] = ()
    ) -> Sequence[TableSchema | None]:
        """(database, table) pairs as they are now, with what a plan of a query of these `parts` wants to know of their
        values; None where there is no such table."""

    def known_names(self) -> Sequence[str]:
        """Table names for suggestions."""


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the call and the federation's view put tables, over and above the catalog."""

    everywhere: str | None = None
    """One database for every table."""
    tables: Mapping[str, str] | None = None
    """Logical name (lower case) → database."""

    def of(self, name: str) -> str | None:
        """The database this view puts `name` in, if it does."""
        return (self.tables or {}).get(name.lower()) or self.everywhere

    def narrowed(self, using: object, catalog: Catalog) -> Placing:
        """This placing with a further one laid over it: a database for everything, or databases by table.

        Raises: CatalogError for a database that is not there; ParameterError for anything else.
        """
        if using is None:
            return self
        if isinstance(using, str):
            return Placing(catalog.database(using).name)
        if not isinstance(using, Mapping) or not all(isinstance(name, str) for name in using):
            message = f"using= is a database, or databases by table, not {type(using).__name__} {using!r}"
            raise ParameterError(message[:200], hint='Write using="archive", or using={"orders": "archive"}.')
        tables = {name.lower(): catalog.database(database).name for name, database in using.items()}
        return Placing(self.everywhere, {**(self.tables or {}), **tables})


@dataclass(frozen=True, slots=True)
class BoundTable:
    """A logical table with its place and its columns (by logical name)."""

    name: str
    database: str
    schema: TableSchema
    _by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    """The columns by their names in lower case; of twins the first."""

    def __post_init__(self) -> None:
        by_name = {column.name.lower(): column for column in reversed(self.schema.columns)}
        object.__setattr__(self, "_by_name", by_name)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns under their logical names."""
        return self.schema.columns

    def column(self, name: str) -> Column | None:
        """The column of that name, case-insensitively."""
        return self._by_name.get(name.lower())


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A name with the places to try, in order."""

    node: exp.Table
    name: str
    entry: TableEntry | None
    database: str
    candidates: tuple[PhysicalTable, ...]


def resolve_tables(
    text: str,
    nodes: Sequence[exp.Table],
    catalog: Catalog,
    lookup: Lookup,
    placing: Placing,
    *,
    parts: Sequence[exp.Expr] = (),
) -> list[BoundTable]:
    """The table each node means, in order; `parts` are those of the query.

    Raises: TableNotFound, AmbiguousTable, CatalogError.
    """
    wanted = [_place(text, node, catalog, lookup, placing) for node in nodes]
    pairs = list(dict.fromkeys((want.database, table) for want in wanted for table in want.candidates))
    described = dict(zip(pairs, lookup.describe(pairs, parts), strict=True))
    bound = []
    for want in wanted:
        schema = next((found for table in want.candidates if (found := described[want.database, table])), None)
        if schema is None:
            raise _missing(text, want, lookup)
        bound.append(bind_table(want.name, catalog.databases.get(want.database), want.entry, schema, want.database))
    return bound


def _place(text: str, node: exp.Table, catalog: Catalog, lookup: Lookup, placing: Placing) -> _Wanted:
    name, qualifier, outer = node.name, node.args.get("db"), node.args.get("catalog")
    forced = placing.of(name)
    if forced is not None and forced not in catalog.databases and forced != FRAMES:
        raise _unknown_database(forced, catalog, text, None)
    if forced is None and (outer is not None or qualifier is not None):
        return _place_qualified(text, node, catalog)
    entry = catalog.entry(name)
    if entry is not None:
        database = forced or entry.database
        own = PhysicalTable(entry.schema, entry.table or (name if entry.is_pattern else entry.name))
        logical = PhysicalTable(None, name)
        candidates = (
            (own,)
            if database == entry.database
            else tuple(dict.fromkeys((own, PhysicalTable(None, own.name), logical)))
        )
        return _Wanted(node, name, entry, database, candidates)
    if forced is not None:
        return _Wanted(node, name, None, forced, _elsewhere(node, catalog))
    found = lookup.databases_with(PhysicalTable(None, name))
    real = [place for place in found if place[0] != FRAMES] or list(found)
    if len({database for database, _ in real}) > 1:
        where = sorted({database for database, _ in real})
        message = f"table {name!r} is in {_listing(where)}, and the catalog does not say which is meant"
        hint = f'Write {where[0]}.{name}, or settle it in [tables]: {name} = "{where[0]}".'
        raise AmbiguousTable(message, sql=text, span=span_of(node.this), hint=hint, table=name, databases=tuple(where))
    if not real:
        raise _not_found(text, node, name, lookup, catalog)
    database, physical = real[0]
    return _Wanted(node, name, None, database, (physical,))


def _elsewhere(node: exp.Table, catalog: Catalog) -> tuple[PhysicalTable, ...]:
    """A name as it may be called in a database that it does not name: what names another database is left out."""
    bare, qualifier = PhysicalTable(None, node.name), node.args.get("db")
    if qualifier is None:
        return (bare,)
    if node.args.get("catalog") is not None:
        return (PhysicalTable(qualifier.name, node.name), bare)
    is_database = qualifier.name.lower() in (known.lower() for known in catalog.databases)
    return (bare,) if is_database else (PhysicalTable(qualifier.name, node.name),)


def _place_qualified(text: str, node: exp.Table, catalog: Catalog) -> _Wanted:
    """`database.table` and `database.schema.table`."""
    name, schema = node.name, None
    database = node.args["db"].name
    if node.args.get("catalog") is not None:
        database, schema = node.args["catalog"].name, node.args["db"].name
    exact = next((known for known in catalog.databases if known.lower() == database.lower()), None)
    if exact is None:
        raise _unknown_database(database, catalog, text, span_of(node.args.get("catalog") or node.args["db"]))
    entry = catalog.entry(name)
    candidates = [PhysicalTable(schema, name)]
    if entry is not None and entry.database == exact and schema is None:
        candidates.insert(0, PhysicalTable(entry.schema, entry.table or entry.name))
    return _Wanted(
        node, name, entry if entry is not None and entry.database == exact else None, exact, tuple(candidates)
    )


def bind_table(
    name: str, database: Database | None, entry: TableEntry | None, schema: TableSchema, place: str
) -> BoundTable:
    """A described table under the catalog's names, types and policies. Raises: CatalogError for a column that is not
    there."""
    default = (entry and entry.on_unrepresentable) or (database.on_unrepresentable if database else "error")
    columns = [column if column.policy == default else replace(column, policy=default) for column in schema.columns]
    is_home = entry is not None and database is not None and entry.database == database.name
    for logical, told in (entry.columns if entry else {}).items():
        at = _position(told.physical or logical, schema)
        if at is None and not is_home:
            at = _position(logical, schema)
        if at is None:
            raise _no_such_column(name, place, entry, told.physical or logical, schema)
        column = replace(columns[at], name=logical, policy=told.on_unrepresentable or default, storage=told.storage)
        if told.type:
            column = replace(column, type=parse_type(told.type), comparison=Comparison.UNLIKE)
        if told.storage not in (None, "iso"):  # a number there, which no literal of a date equals
            column = replace(column, comparison=Comparison.UNLIKE)
        if told.collation:
            column = replace(column, comparison=Comparison.UNLIKE, collation=told.collation)
        columns[at] = column
    _refuse_twins(name, place, columns)
    final = tuple(_with_policy(column) for column in columns)
    return BoundTable(name, place, replace(schema, columns=final))


def _position(wanted: str, schema: TableSchema) -> int | None:
    """Where the physical column `wanted` stands: in its own spelling, else in any case."""
    names = [column.physical for column in schema.columns]
    if wanted in names:
        return names.index(wanted)
    return next((at for at, name in enumerate(names) if name.lower() == wanted.lower()), None)


def _refuse_twins(table: str, place: str, columns: Sequence[Column]) -> None:
    """A database may tell "a" from "A"; SQL here cannot, and would leave one of them out."""
    seen: dict[str, Column] = {}
    for column in columns:
        twin = seen.setdefault(column.name.lower(), column)
        if twin is not column:
            message = (
                f"table {table!r} in database {place!r} has two columns that SQL cannot tell apart: "
                f"{twin.name!r} and {column.name!r}"
            )
            hint = f'Give one another name in the catalog: columns = {{ other = {{ name = "{column.physical}" }} }}.'
            raise InvalidQuery(message, hint=hint, table=table, database=place, column=column.name)


def _with_policy(column: Column) -> Column:
    """Policy "text" makes a column text, whatever it was."""
    if column.policy == "text" and column.type.family != "text":
        return replace(column, type=parse_type("VARCHAR"), comparison=Comparison.UNLIKE)
    return column


def _no_such_column(name: str, place: str, entry: TableEntry | None, wanted: str, schema: TableSchema) -> CatalogError:
    names = [column.physical for column in schema.columns]
    near = nearest(wanted, names)
    hint = f"Did you mean {near!r}?" if near else f"It has: {', '.join(names[:12])}."
    where = f" ({entry.place})" if entry else ""
    return CatalogError(
        f"table {name!r} in database {place!r} has no column {wanted!r}{where}", hint=hint, table=name, column=wanted
    )


def _missing(text: str, want: _Wanted, lookup: Lookup) -> TableNotFound:
    """The catalog or the text sent us to a database that has no such table."""
    tried = want.candidates[0]
    where = f" ({want.entry.place})" if want.entry is not None else ""
    others = [
        database for database, _ in lookup.databases_with(PhysicalTable(None, want.name)) if database != want.database
    ]
    names = [name.rpartition(".")[2] for name in lookup.known_names()]
    near = nearest(want.name, names)
    hint = (
        f"Did you mean {near!r}?"
        if near and near.lower() != want.name.lower()
        else "`fedq tables` lists what there is."
    )
    if others:
        hint = f"{_listing(others)} has one."
    message = f"database {want.database!r} has no table {tried.name!r}{where}"
    return TableNotFound(
        message, sql=text, span=span_of(want.node.this), hint=hint, table=want.name, database=want.database
    )


def _not_found(text: str, node: exp.Table, name: str, lookup: Lookup, catalog: Catalog) -> TableNotFound:
    names = [*(entry.name for entry in catalog.tables.values() if not entry.is_pattern), *lookup.known_names()]
    suggestion = nearest(name, names)
    where = f"catalog {catalog.file.rpartition('/')[2]}" if catalog.file else "the catalog"
    hint = (
        f"Did you mean {suggestion!r}?"
        if suggestion
        else "`fedq tables` (in a notebook `%fedq :tables`) lists what there is."
    )
    message = f"no table {name!r} in {where}, nor in its databases"
    return TableNotFound(message, sql=text, span=span_of(node.this), hint=hint, table=name, suggestion=suggestion)


def _unknown_database(name: str, catalog: Catalog, text: str, span: tuple[int, int] | None) -> TableNotFound:
    near = nearest(name, catalog.databases)
    hint = f"Did you mean {near!r}?" if near else f"There is {_listing(list(catalog.databases))}."
    return TableNotFound(f"there is no database {name!r}", sql=text, span=span, hint=hint, database=name)


def _listing(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted) or "no database"
