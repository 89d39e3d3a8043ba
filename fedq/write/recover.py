"""Finds transactions that a crash left prepared, and finishes them as the journal says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedq.errors import FedqError
from fedq.fetch.writer import Begin
from fedq.result import Result
from fedq.types import VARCHAR
from fedq.write.journal import PREFIX, Entry, left_over, name_of, under_way

if TYPE_CHECKING:
    from fedq.write.desk import Desk

_COLUMNS = [("transaction", VARCHAR), ("database", VARCHAR), ("outcome", VARCHAR)]
_CAN = ("postgres", "mysql")
_ELSEWHERE, _STILL = "in doubt: its journal is not on this machine", "under way: its process is still at it"


def recover(desk: Desk) -> Result:
    """Finish every in-doubt transaction of this machine's journal; a row for each, and for those of other machines."""
    begun = under_way()
    entries = list(left_over())  # first: what is prepared after the databases were asked would not be among the found
    found = {name: _in_doubt(desk, name) for name, database in desk.catalog.databases.items() if database.kind in _CAN}
    rows: list[tuple[str, str, str]] = []
    for entry in entries:
        rows += _finish(desk, entry, found)
    for name, gids in found.items():
        if isinstance(gids, FedqError):
            rows.append(("", name, f"cannot be asked: {gids.message}"))
        else:
            begun |= under_way()
            rows += [(gid, name, _STILL if name_of(gid) in begun else _ELSEWHERE) for gid in sorted(gids)]
    return Result.from_rows(_COLUMNS, rows)


def _in_doubt(desk: Desk, name: str) -> set[str] | FedqError:
    try:
        writer = desk.writers.take(name)
        try:
            writer.begin(Begin(is_autocommit=True))
            return {gid for gid in writer.in_doubt() if gid.startswith(PREFIX)}
        finally:
            desk.writers.give(writer, is_usable=False)
    except FedqError as error:
        return error


def _finish(desk: Desk, entry: Entry, found: dict[str, set[str] | FedqError]) -> list[tuple[str, str, str]]:
    rows, is_whole = [], True
    for name, gid in entry.gids.items():
        there = found.get(name)
        if there is None or entry.urls.get(name) != desk.catalog.database(name).url:
            is_whole = False
            if isinstance(there, set):
                there.discard(gid)  # MySQL tells of all databases of the server
            rows.append((gid, name, "in doubt: this catalog has not the database that it is in"))
        elif not isinstance(there, set):
            is_whole = False
            rows.append((gid, name, "in doubt: the database cannot be asked"))
        elif gid in there:
            writer = desk.writers.take(name)
            try:
                writer.begin(Begin(is_autocommit=True))
                writer.resolve(gid, is_commit=entry.is_decided)
                desk.sources.wrote(name, None)  # reads go to the primary once, which then says where it stands
            finally:
                desk.writers.give(writer, is_usable=False)
            there.discard(gid)
            rows.append((gid, name, "committed" if entry.is_decided else "rolled back"))
    if is_whole:
        entry.remove()
    else:
        entry.release()
    return rows
