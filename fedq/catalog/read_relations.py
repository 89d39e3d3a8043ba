"""`[[relations]]` → Relation: which columns of one logical table point at which of another.

from = "invoices.user_id", to = "users.id"   →   Relation("invoices", "invoices", ("user_id",), "users", ("id",))
"""

from __future__ import annotations

from fedq.catalog.model import Relation
from fedq.catalog.reading import Node, shown

KEYS = ("name", "from", "to")


def read_relations(node: Node) -> tuple[Relation, ...]:
    """Every relation that could be read, in the order written; without a name it is called as its `from` table."""
    relations: dict[str, Relation] = {}
    for child in node.items():
        relation = _relation(child)
        if relation is None:
            continue
        if relation.name in relations:
            child.problem(f"there are two relations {shown(relation.name)}", hint="Give one of them another name = …")
        relations.setdefault(relation.name, relation)
    return tuple(relations.values())


def _relation(node: Node) -> Relation | None:
    nodes = node.entries(KEYS)
    missing = [key for key in ("from", "to") if key not in nodes]
    if missing:
        if not isinstance(node.value, (str, list)):  # which is noted as the wrong type already
            node.problem(f"it has no {missing[0]}")
        return None
    start, end = _side(nodes["from"]), _side(nodes["to"])
    name = nodes["name"].name("the name") if "name" in nodes else (start[0] if start else None)
    if start is None or end is None or name is None:
        return None
    if len(start[1]) != len(end[1]):
        node.problem(f"from has {len(start[1])} columns and to has {len(end[1])}")
        return None
    return Relation(name, *start, *end, place=node.place)


def _side(node: Node) -> tuple[str, tuple[str, ...]] | None:
    """`"users.id"`, or a list of such of one table, as table and columns."""
    texts = node.names("column")
    pairs = [text.rpartition(".") for text in texts]
    if not pairs:
        return None
    if not all(table and column and "." not in table for table, _, column in pairs):
        node.problem(
            'it must be "table.column", or a list of them', hint="Both names are logical ones, without a database."
        )
        return None
    tables = {table for table, _, _ in pairs}
    if len(tables) > 1:
        node.problem("its columns must be of one table")
        return None
    return pairs[0][0], tuple(column for _, _, column in pairs)
