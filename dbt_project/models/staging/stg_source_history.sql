with source_history as (

  select * from {{ source('raw', 'source_history') }}

)

select
  whole_from,
  nullif(trim(reason), '') as reason
from source_history
