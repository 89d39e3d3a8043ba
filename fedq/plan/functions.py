"""Functions of dates and texts in a database's own words: parts, days between, pieces of a text, lengths.

    quarter(d)            EXTRACT(QUARTER FROM "d")              a BIGINT, NULL for infinity
    substring(s, 1, 2)    SUBSTRING(CONVERT(`s` USING utf8mb4), 1, 2)   of characters, not of bytes

Only with constants where a place, a length or a unit is asked for: negative and fractional ones differ everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from fedq.plan.constants import NotPushed, constant
from fedq.plan.speaker import Speaker
from fedq.plan.values import Said, cell, described, operand, text_column
from fedq.sql import exp, render
from fedq.types import BIGINT, TIMESTAMP

#: no part of a date is further from zero
_MOST_PART = Decimal(6_000_000)


# dates


def _moment(node: exp.Expr, speaker: Speaker) -> Said:
    said = operand(node, speaker)
    if said.type.family not in ("date", "timestamp"):
        raise NotPushed(f"a part of {said.type} is computed by the local engine")
    return said


def part_of(node: exp.Expr) -> tuple[str, exp.Expr] | None:
    """The part of a date that a node asks for, and of which value."""
    if type(node) in _PARTS:
        return _PARTS[type(node)], node.this
    if isinstance(node, exp.Extract):
        part = _EXTRACTED.get(node.this.name.upper())
        return (part, node.expression) if part is not None else None
    if (
        isinstance(node, exp.Anonymous)
        and node.name.lower() in ("date_part", "datepart")
        and len(node.expressions) == 2
    ):
        part = _EXTRACTED.get(node.expressions[0].name.upper())
        return (part, node.expressions[1]) if part is not None else None
    return None


def _part(node: exp.Expr, speaker: Speaker) -> Said:
    found = part_of(node)
    if found is None:
        raise NotPushed(f"{render(node)} is computed by the local engine")
    side = _moment(found[1], speaker)
    sql = cell(found[0], side.type.family, speaker, side.sql)
    return Said(f"({sql})", described(BIGINT), side.is_strict, most=_MOST_PART)


def _truncated(node: exp.Expr, speaker: Speaker) -> Said:
    side = _moment(node.this, speaker)
    unit = node.args["unit"].name.lower()
    return Said(cell(f"trunc_{unit}", side.type.family, speaker, side.sql), described(TIMESTAMP), side.is_strict)


def shifted(node: exp.Expr, speaker: Speaker) -> Said:
    """A date or timestamp plus or minus a constant interval. Raises: NotPushed."""
    side, interval = _moment(node.this, speaker), node.expression
    amount = interval.this.name if interval.this is not None else ""
    unit = (interval.unit.name if interval.unit is not None else "").lower().rstrip("s")
    if not amount.lstrip("-").isdigit() or len(amount) > 6 or unit not in ("day", "week", "month", "year"):
        raise NotPushed("an interval that is not a number of days, weeks, months or years")
    count = int(amount) * (-1 if isinstance(node, exp.Sub) else 1)
    sql = cell("shift", side.type.family, speaker, side.sql, f"INTERVAL '{count} {unit}'")
    return Said(sql, described(TIMESTAMP), side.is_strict)


_PARTS: dict[type[exp.Expr], str] = {
    exp.Year: "year", exp.Month: "month", exp.Day: "day", exp.Quarter: "quarter", exp.DayOfWeek: "dayofweek",
    exp.DayOfYear: "dayofyear", exp.DayOfWeekIso: "isodow", exp.Week: "week", exp.WeekOfYear: "week",
    exp.Hour: "hour", exp.Minute: "minute", exp.Second: "second", exp.DayOfMonth: "day",
}  # fmt: skip
_EXTRACTED = {
    "YEAR": "year", "MONTH": "month", "DAY": "day", "QUARTER": "quarter", "DOW": "dayofweek", "DAYOFWEEK": "dayofweek",
    "DOY": "dayofyear", "DAYOFYEAR": "dayofyear", "ISODOW": "isodow", "WEEK": "week", "HOUR": "hour",
    "MINUTE": "minute", "SECOND": "second",
}  # fmt: skip


# text


def _whole_number(node: exp.Expr | None, speaker: Speaker, least: int) -> str:
    value = constant(node, speaker.params).value if node is not None else None
    if type(value) is not int or not least <= value < 2**31:
        raise NotPushed("a place in a text that is not a plain positive number")
    return str(value)


def _texts(nodes: Sequence[exp.Expr], speaker: Speaker) -> list[Said]:
    sides = [operand(node, speaker) for node in nodes]
    if not all(side.type.family == "text" for side in sides):
        raise NotPushed("a text made of something else is computed by the local engine")
    return sides


def _substring(node: exp.Expr, speaker: Speaker) -> Said:
    (side,) = _texts([node.this], speaker)
    start = _whole_number(node.args.get("start"), speaker, 1)
    if node.args.get("length") is None:
        sql = cell("substring_from", "text", speaker, side.sql, start)
    else:
        sql = cell("substring", "text", speaker, side.sql, start, _whole_number(node.args["length"], speaker, 0))
    return Said(sql, text_column(speaker), side.is_strict)


def _end(operation: str) -> Callable[[exp.Expr, Speaker], Said]:
    def _saying(node: exp.Expr, speaker: Speaker) -> Said:
        (side,) = _texts([node.this], speaker)
        count = _whole_number(node.expression, speaker, 0)
        return Said(cell(operation, "text", speaker, side.sql, count), text_column(speaker), side.is_strict)

    return _saying


def _length(node: exp.Expr, speaker: Speaker) -> Said:
    (side,) = _texts([node.this], speaker)
    return Said(cell("length", "text", speaker, side.sql), described(BIGINT), side.is_strict, most=Decimal(2**32))


def _appended(node: exp.Expr, speaker: Speaker) -> Said:
    sides = _texts([node.this, node.expression], speaker)
    sql = cell("append", "text", speaker, *(side.sql for side in sides))
    return Said(sql, text_column(speaker), any(side.is_strict for side in sides))


def _concat(node: exp.Expr, speaker: Speaker) -> Said:
    sides = _texts(node.expressions, speaker)
    is_mysql = speaker.dialect.name == "mysql"  # whose CONCAT with a NULL is NULL
    parts = [f"COALESCE({side.sql}, '')" if is_mysql else side.sql for side in sides]
    return Said(cell("concat", "text", speaker, ", ".join(parts)), text_column(speaker), is_strict=False)


def _position(node: exp.Expr, speaker: Speaker) -> Said:
    sides = _texts([node.this, node.args["substr"]], speaker)
    if node.args.get("position") is not None or sides[1].constant is None or not sides[1].constant.value:
        raise NotPushed("a search for something that is not a plain text")
    sql = cell("position", "text", speaker, *(side.sql for side in sides))
    return Said(sql, described(BIGINT), sides[0].is_strict, most=Decimal(2**32))


def _plain(operation: str) -> Callable[[exp.Expr, Speaker], Said]:
    def _saying(node: exp.Expr, speaker: Speaker) -> Said:
        (side,) = _texts([node.this], speaker)
        if any(value for key, value in node.args.items() if key != "this"):
            raise NotPushed(f"{render(node)} is computed by the local engine")
        return Said(cell(operation, "text", speaker, side.sql), text_column(speaker), side.is_strict)

    return _saying


FUNCTIONS: dict[type[exp.Expr], Callable[[exp.Expr, Speaker], Said]] = {
    exp.Extract: _part, exp.Anonymous: _part, **dict.fromkeys(_PARTS, _part), exp.TimestampTrunc: _truncated,
    exp.DateTrunc: _truncated, exp.Substring: _substring, exp.Left: _end("left"), exp.Right: _end("right"),
    exp.Length: _length, exp.DPipe: _appended, exp.Concat: _concat, exp.StrPosition: _position,
    exp.Upper: _plain("upper"), exp.Lower: _plain("lower"), exp.Trim: _plain("trim"),
}  # fmt: skip
