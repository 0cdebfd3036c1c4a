with order_lines as (

  select * from {{ source('raw', 'order_lines') }}

)

select
  order_id,
  line_id,
  upper(nullif(trim(sku), '')) as sku,
  nullif(trim(product_id), '') as product_id,
  nullif(trim(category), '') as category,
  nullif(trim(vendor), '') as vendor,
  coalesce(quantity, 1) as quantity,
  unit_price,
  coalesce(discount_amount, 0) as discount_amount,
  coalesce(is_gift_card, false) as is_gift_card,
  coalesce(refunded_quantity, 0) as refunded_quantity
from order_lines
