with order_discounts as (

  select * from {{ source('raw', 'order_discounts') }}

),

order_rates as (

  select * from {{ ref('stg_order_rates') }}

)

select
  order_discounts.order_id,
  lower(nullif(trim(order_discounts.kind), '')) as kind,
  order_discounts.discount_index,
  upper(nullif(trim(order_discounts.code), '')) as code,
  lower(nullif(trim(order_discounts.target), '')) as target,
  {{ in_shop_currency('order_discounts.amount') }} as amount
from order_discounts
left join order_rates
  on order_rates.order_id = order_discounts.order_id
