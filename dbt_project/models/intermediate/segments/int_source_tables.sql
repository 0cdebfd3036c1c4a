-- A table is there when the source had any of its columns; an empty canonical table says nothing.
select
  table_name,
  bool_or(present) as present
from {{ ref('stg_source_columns') }}
group by table_name
