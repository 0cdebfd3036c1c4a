-- One row per order with lines: what the kept goods cost, and how much of their price has a known cost. Keeps the
-- order's money from being multiplied by its lines.
with lines as (

  select * from {{ ref('int_product_lines') }}

),

products as (

  select * from {{ ref('int_products') }}

)

select
  lines.order_id,
  bool_and(lines.is_gift_card) as is_gift_card_only,
  cast(coalesce(sum(lines.kept_amount), 0) as decimal(18, 4)) as kept_amount,
  cast(coalesce(sum(lines.kept_amount) filter (where products.unit_cost is not null), 0) as decimal(18, 4)) as costed_amount,
  coalesce(bool_and(products.unit_cost is not null) filter (where lines.kept_quantity > 0), true) as is_costed,
  cast(coalesce(sum({{ amount_of(as_float('lines.kept_quantity') ~ ' * products.unit_cost') }}), 0) as decimal(18, 4)) as goods_cost,
  max(lines.unit_price) filter (where lines.kept_quantity > 0) as highest_unit_price,
  arg_max(products.category, (lines.kept_amount, lines.line_id)) filter (
    where lines.kept_quantity > 0 and products.category is not null
  ) as main_category
from lines
left join products on products.product = lines.product
group by lines.order_id
