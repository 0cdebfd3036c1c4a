-- Lines of valid orders with who bought them, when, and for where. Every rule about what somebody bought reads these.
with lines as (

  select * from {{ ref('int_product_lines') }}
  where was_bought

),

orders as (

  select * from {{ ref('int_orders_owned') }}
  where is_valid

)

select
  orders.customer_key,
  orders.counts,
  orders.ordered_on,
  orders.ship_country,
  orders.ship_region,
  lines.product,
  lines.unit_price,
  lines.kept_quantity,
  lines.kept_amount
from lines
inner join orders on orders.order_id = lines.order_id
