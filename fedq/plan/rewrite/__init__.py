"""A query changed into an equal one that asks more of each database: rules from a tree to a tree, equal in DuckDB.

`RULES` is the order. A rule takes the draft and the facts and gives a draft; whatever it makes is sent only where
`plan/block/` can say it exactly, and the whole is dropped where DuckDB's binder does not give it the names and types of
the query the user wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fedq.bind.bound import BoundQuery
from fedq.errors import FedqError
from fedq.plan.rewrite.facts import Facts
from fedq.plan.rewrite.islands import form_islands
from fedq.plan.rewrite.merge import merge_derived
from fedq.plan.rewrite.send import Sent, send_blocks
from fedq.plan.rewrite.tree import Draft, draft, local_text, number_of
from fedq.types import Type

Rule = Callable[[Draft, Facts], Draft]

RULES: tuple[Rule, ...] = (merge_derived, form_islands)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A query some of whose sources are whole statements."""

    query: BoundQuery
    sent: dict[str, Sent]
    """The statements by the id of the occurrence that reads them."""


def rewrite(query: BoundQuery, outputs: Sequence[tuple[str, Type]], facts: Facts) -> Rewritten | None:
    """The query with larger parts for its databases; None where nothing is gained or the text must stay as it is."""
    changed = draft(query)
    if changed is None:
        return None
    for rule in RULES:
        changed = rule(changed, facts)
    changed, statements = send_blocks(changed, facts)
    if not statements:
        return None
    ready = replace(changed.query, local=local_text(changed.query))
    try:
        found = facts.describe(ready.local, ready.params, ready.occurrences)
    except FedqError:
        return None
    if [type_ for _, type_ in found] != [type_ for _, type_ in outputs]:
        return None
    ids = {number_of(occurrence.node): occurrence.id for occurrence in ready.occurrences}
    return Rewritten(ready, {ids[number]: sent for number, sent in statements.items()})
