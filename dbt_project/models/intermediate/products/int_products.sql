-- One row per product as order lines name it, with what one unit costs. Few thousand rows stand for all lines, so
-- that rules about products are matched once a product and not once a line.
with order_lines as (

  select distinct sku, product_id, category, vendor
  from {{ ref('stg_order_lines') }}
  where not is_gift_card

),

costs as (

  select * from {{ ref('stg_costs') }}

)

select
  {{ row_hash(['order_lines.sku', 'order_lines.product_id', 'order_lines.category', 'order_lines.vendor']) }} as product,
  order_lines.sku,
  order_lines.product_id,
  order_lines.category,
  order_lines.vendor,
  costs.unit_cost
from order_lines
left join costs on costs.sku = order_lines.sku
