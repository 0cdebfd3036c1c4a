"""Batches: which planned rows travel, and are recorded, together."""

from __future__ import annotations

from typing import Final

from syncs.records import Shape
from syncs.workspace import Workspace

# JSON around one row, in bytes, on top of its identifier and properties.
_ROW_OVERHEAD: Final = 256

# Removes before adds: for one person the later of the two wins.
_OPERATION_ORDER: Final = "case operation when 'remove' then 0 when 'upsert' then 1 else 2 end"


def assign_batches(shape: Shape, work: Workspace) -> int:
    """Make ``plan_rows``: ``planned`` with batch numbers from 1; returns how many batches.

    Rows that were set aside (column ``aside``) keep their number below 1.
    """
    requests = max(1, shape.ledger_rows // shape.batch_rows)
    most_bytes = shape.batch_bytes * requests
    # Rows of like size fill a batch evenly; one that still is too large is cut by its own bytes.
    work.con.execute(
        f"""create or replace temp table plan_rows as
        with sized as (
            select *, {_OPERATION_ORDER} as rank,
                strlen(identifier) + strlen(properties) + strlen(unset) + {_ROW_OVERHEAD} as bytes,
                row_number() over (partition by operation order by is_history, row_key) as position
            from planned where aside is null
        ),
        chunked as (
            select *, (position - 1) // (
                select least({shape.ledger_rows}, greatest(1, cast(0.95 * {most_bytes} / avg(bytes)
                    as bigint))) from sized) as chunk
            from sized
        ),
        cut as (
            select *, sum(bytes) over (
                partition by operation, chunk order by position rows unbounded preceding
            ) // {most_bytes} as part
            from chunked
        )
        select * exclude (rank, bytes, position, chunk, part),
            cast(dense_rank() over (order by rank, chunk, part) as integer) as batch
        from cut
        union all by name
        select *, aside as batch from planned where aside is not null
        order by batch, row_key"""
    )
    row = work.con.execute("select coalesce(max(batch), 0) from plan_rows").fetchone()
    return max(0, int(row[0])) if row else 0
