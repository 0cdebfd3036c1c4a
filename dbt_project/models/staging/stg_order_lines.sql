with order_lines as (

  select * from {{ source('raw', 'order_lines') }}

),

order_rates as (

  select * from {{ ref('stg_order_rates') }}

)

select
  order_lines.order_id,
  order_lines.line_id,
  upper(nullif(trim(order_lines.sku), '')) as sku,
  nullif(trim(order_lines.product_id), '') as product_id,
  nullif(trim(order_lines.category), '') as category,
  nullif(trim(order_lines.vendor), '') as vendor,
  coalesce(order_lines.quantity, 1) as quantity,
  {{ in_shop_currency('order_lines.unit_price') }} as unit_price,
  coalesce({{ in_shop_currency('order_lines.discount_amount') }}, 0) as discount_amount,
  coalesce(order_lines.is_gift_card, false) as is_gift_card,
  coalesce(order_lines.refunded_quantity, 0) as refunded_quantity
from order_lines
left join order_rates
  on order_rates.order_id = order_lines.order_id
