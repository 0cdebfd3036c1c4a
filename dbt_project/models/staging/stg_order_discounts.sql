with order_discounts as (

  select * from {{ source('raw', 'order_discounts') }}

)

select
  order_id,
  lower(nullif(trim(kind), '')) as kind,
  discount_index,
  upper(nullif(trim(code), '')) as code,
  lower(nullif(trim(target), '')) as target,
  amount
from order_discounts
