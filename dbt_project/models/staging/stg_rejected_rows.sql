with rejected_rows as (

  select * from {{ source('raw', 'rejected_rows') }}

)

select
  table_name,
  -- The reason in words may quote a cell, and what is published must not.
  coalesce(kinds, ['no reason given']) as reasons
from rejected_rows
