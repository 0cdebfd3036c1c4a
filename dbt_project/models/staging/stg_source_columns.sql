with source_columns as (

  select * from {{ source('raw', 'source_columns') }}

)

select
  table_name,
  column_name,
  present
from source_columns
