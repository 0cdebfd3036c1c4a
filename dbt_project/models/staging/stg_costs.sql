with costs as (

  select * from {{ source('raw', 'costs') }}

)

-- The table's key is the SKU as written; two spellings of one SKU are one product and get one cost.
select
  upper(trim(sku)) as sku,
  max(unit_cost) as unit_cost
from costs
group by upper(trim(sku))
