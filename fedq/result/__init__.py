"""Results: rows in Arrow, their origins, conversions that change no value, and how they are drawn.

| module       | does                                                     |
|--------------|----------------------------------------------------------|
| `table`      | `Result` and `Column`, what a query returns              |
| `rows`       | `Row`, a named tuple for any column names                |
| `sources`    | `SourceRead`, what one database contributed              |
| `values`     | Arrow columns as Python values and as text               |
| `convert`    | pandas, polars, DuckDB, Parquet                          |
| `files`      | CSV and JSON text                                        |
| `draw`, `html` | tables for people                                      |
"""

from __future__ import annotations

from fedq.result.rows import Row as Row
from fedq.result.rows import RowNotFound as RowNotFound
from fedq.result.sources import SourceRead as SourceRead
from fedq.result.table import Column as Column
from fedq.result.table import Result as Result
