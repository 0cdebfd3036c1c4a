with rejected_rows as (

  select * from {{ source('raw', 'rejected_rows') }}

)

select
  table_name,
  reason
from rejected_rows
