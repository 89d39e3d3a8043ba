"""In which order sources are read, and whose keys limit whom.

    part (4 rows)  →  partsupp (16 of 400,000)  →  supplier (16 of 5,000)      keys go through the whole join graph

Always the source that brings the fewest rows comes next, given the keys of those that are already here. A filter is
worth its keys where the rows it keeps from travelling, and the database from reading, cost more than the keys. What is
too small to wait is read at once, and the join with what else is here still reduces the keys that it gives on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from fedq.catalog.statistics import Link
from fedq.plan.estimate import LOCAL, distinct, key_seconds, key_share, pull_seconds, table_rows
from fedq.plan.nodes import Kept, KeyColumn, KeyFilter, Within
from fedq.plan.pull import Pull
from fedq.plan.reach import Edge
from fedq.plan.rewrite.facts import LOCAL_KINDS

#: a filter that lets more than this through is none
_WEAK = 0.8
#: few keys that let through at most this part of many rows are always worth a wait
_STRONG, _FEW_KEYS, _MANY_ROWS = 0.5, 1_000, 500
#: seconds in which a database reads a row that it does not send
_READ = 2e-7
#: how often a join of a join reduces the keys it gives: deeper, the text costs more than it saves
_DEPTH = 3
#: keys of two columns together are sent where they let through less than this part of what one alone does
_PAIR = 0.3


@dataclass(frozen=True, slots=True)
class _Offered:
    """Keys that one source could give another."""

    giver: Pull
    edge: Edge
    keys: float
    share: float
    """Of the taker's rows."""
    instead: str | None = None
    """Whose keys do as much."""


def in_order(pulls: Sequence[Pull], edges: Sequence[Edge], links: Mapping[str, Link | None]) -> list[Pull]:
    """The pulls in the order in which they may start, each with the keys it waits for."""
    waiting, here = list(pulls), dict[str, Pull]()
    towards: dict[str, list[Edge]] = {pull.id: [] for pull in pulls}
    for edge in edges:
        towards.get(edge.to_occurrence.id, []).append(edge)
    for pull in waiting:
        pull.joined = pull.rows
    while waiting:
        offers = {pull.id: _offers(pull, here, towards[pull.id], links) for pull in waiting}
        chosen = min(waiting, key=lambda pull: _rows(pull, offers[pull.id], links))
        waiting.remove(chosen)
        _take(chosen, offers[chosen.id], links)
        _reduce(chosen, here, edges)
        here[chosen.id] = chosen
    _limit_the_first(list(here.values()), towards)
    return list(here.values())


def _limit_the_first(ordered: Sequence[Pull], towards: Mapping[str, Sequence[Edge]]) -> None:
    """What comes first because few rows are expected of it is limited by what comes later, should it bring many.

    By all keys of the later one: which of its rows meet others may be decided by the very rows that are to be limited.
    """
    later = {pull.id: pull for pull in ordered}
    for taker in ordered:
        del later[taker.id]
        for edge in towards[taker.id]:
            if (giver := later.get(edge.from_occurrence.id)) is not None:
                column = edge.to_column
                taker.late.append(KeyFilter(taker.sql_of(column), column, giver.id, edge.from_column.name))


def _rows(pull: Pull, offers: Sequence[_Offered], links: Mapping[str, Link | None]) -> float:
    rows = pull.rows
    for offer in offers:
        rows *= offer.share if _is_worth(pull, offer, links) else 1.0
    return rows


def _offers(
    taker: Pull, here: Mapping[str, Pull], edges: Sequence[Edge], links: Mapping[str, Link | None]
) -> list[_Offered]:
    """What those that are here could give along the edges that lead to the taker."""
    found = []
    for edge in edges:
        giver = here.get(edge.from_occurrence.id)
        if giver is not None:
            keys = _distinct_keys(giver, edge)
            share = key_share(
                keys, distinct(taker.occurrence.table, edge.to_column), table_rows(taker.occurrence.table)
            )
            found.append(_Offered(giver, edge, keys, share))
    return _without_repetition(found, {id(offer) for offer in found if _is_worth(taker, offer, links)})


def _without_repetition(found: Sequence[_Offered], worth: Set[int]) -> list[_Offered]:
    """Of keys, and those of them that another source has taken and gives on, one lets every row of the other through:
    the source that gives on is waited for where it has many fewer. What is not worth sending takes nobody's place."""
    spared: dict[int, str] = {}
    for offer in found:
        taken = offer.giver.limits.get(offer.edge.from_column.name, {})
        for first in found:
            if first.giver.id in taken and first.edge.to_column == offer.edge.to_column:
                spare, other = (first, offer) if offer.share <= _STRONG * first.share else (offer, first)
                if id(spare) in worth and id(other) not in worth:
                    spare, other = other, spare
                spared[id(spare)] = other.giver.id
    return [replace(offer, share=1.0, instead=spared[id(offer)]) if id(offer) in spared else offer for offer in found]


def _distinct_keys(giver: Pull, edge: Edge) -> float:
    """How many different keys the giver's rows have, after the joins that are already possible."""
    known = distinct(giver.occurrence.table, edge.from_column)
    most = [giver.joined, *giver.limits.get(edge.from_column.name, {}).values()]
    return min(most) if known is None else min(*most, known)


def _is_worth(taker: Pull, offer: _Offered, links: Mapping[str, Link | None]) -> bool:
    if offer.share > _WEAK or offer.keys > taker.dialect.max_keys:
        return False
    if offer.share <= _STRONG and offer.keys <= _FEW_KEYS and max(taker.work, taker.rows) >= _MANY_ROWS:
        return True  # rows that stay where they are load nobody, whatever the link can carry
    link = LOCAL if taker.kind in LOCAL_KINDS or taker.kind == "sqlite" else links.get(taker.occurrence.table.database)
    spared = pull_seconds(link, taker.rows, taker.width) - pull_seconds(link, taker.rows * offer.share, taker.width)
    spared += _READ * max(taker.work, taker.rows) * (1 - offer.share)
    return spared > key_seconds(link, offer.keys, offer.edge.to_column.type.width)


def _take(taker: Pull, offers: Sequence[_Offered], links: Mapping[str, Link | None]) -> None:
    """Give the source its keys; what is not sent still joins here."""
    for giver in dict.fromkeys(offer.giver.id for offer in offers):
        own = [offer for offer in offers if offer.giver.id == giver]
        worth = sorted((offer for offer in own if _is_worth(taker, offer, links)), key=lambda offer: offer.share)
        for offer in worth:
            taker.keys.append(_filter(taker, offer))
            taker.limits.setdefault(offer.edge.to_column.name, {})[giver] = offer.keys
            taker.rows = max(1.0, taker.rows * offer.share)
            taker.joined = max(1.0, taker.joined * offer.share)
        for offer in (offer for offer in own if offer not in worth):
            taker.joined = max(1.0, taker.joined * min(1.0, offer.share))
            taker.unsent.append(Kept(f"keys of {giver} for {offer.edge.to_column.name}", _why_not(taker, offer)))
            taker.within.append(_within(offer.edge, offer.giver, _DEPTH))
            if offer.share <= _WEAK and offer.giver.id not in {key.from_fetch for key in taker.keys}:
                taker.late.append(_filter(taker, offer))
    _pair_up(taker, offers)


def _why_not(taker: Pull, offer: _Offered) -> str:
    if offer.instead is not None:
        return f"keys of {offer.instead} do as much"
    if offer.share > _WEAK:
        return "they would let nearly every row through"
    if offer.keys > taker.dialect.max_keys:
        return f"more than {taker.dialect.max_keys:,} keys"
    return "they would cost more than the rows that they spare"


def _pair_up(taker: Pull, offers: Sequence[_Offered]) -> None:
    """Two columns of one giver become one filter of pairs, where pairs are much rarer than their columns' values."""
    for giver in dict.fromkeys(offer.giver.id for offer in offers):
        keys = [key for key in taker.keys if key.from_fetch == giver]
        own = [offer for offer in offers if offer.giver.id == giver]
        if len(keys) != 2 or len(own) != 2 or own[0].edge.join is None or own[0].edge.join != own[1].edge.join:
            continue
        pairs = own[0].giver.joined
        counts = [distinct(taker.occurrence.table, offer.edge.to_column) for offer in own]
        possible = min(table_rows(taker.occurrence.table), (counts[0] or 1.0) * (counts[1] or 1.0))
        if None in counts or pairs > taker.dialect.max_keys:
            continue
        if pairs / max(1.0, possible) < _PAIR * own[0].share * own[1].share:
            first, second = keys
            also = (KeyColumn(second.sql, second.column, second.from_column),)
            paired = KeyFilter(first.sql, first.column, giver, first.from_column, also, within=first.within)
            taker.keys[:] = [paired if key is first else key for key in taker.keys if key is not second]


def _filter(taker: Pull, offer: _Offered) -> KeyFilter:
    edge, giver = offer.edge, offer.giver
    return KeyFilter(
        taker.sql_of(edge.to_column), edge.to_column, giver.id, edge.from_column.name, within=tuple(giver.within)
    )


def _within(edge: Edge, giver: Pull, depth: int) -> Within:
    inner = tuple(giver.within) if depth > 1 else ()
    return Within(edge.to_column.name, giver.id, edge.from_column.name, inner)


def _reduce(chosen: Pull, here: Mapping[str, Pull], edges: Sequence[Edge]) -> None:
    """Sources that are already here give fewer keys now: those of the rows that meet the one that came."""
    back = [edge for edge in edges if edge.from_occurrence.id == chosen.id]
    for pull in here.values():
        for edge in back:
            if edge.to_occurrence.id != pull.id or any(found.from_fetch == pull.id for found in chosen.within):
                continue
            keys = _distinct_keys(chosen, edge)
            known = distinct(pull.occurrence.table, edge.to_column)
            share = key_share(keys, None if known is None else min(known, pull.joined), pull.rows)
            if share < _WEAK:
                pull.joined = max(1.0, pull.joined * share)
                pull.within.append(Within(edge.to_column.name, chosen.id, edge.from_column.name))
