-- Order lines with what the customer kept of them. A line that came back whole stays, with nothing kept. Of a gift
-- card, which is no product, only the amount is kept: money whose cost nobody knows.
with order_lines as (

  select * from {{ ref('stg_order_lines') }}

),

judged as (

  select
    *,
    case when quantity <= 0 then 0 else greatest(quantity - refunded_quantity, 0) end as kept
  from order_lines

)

select
  order_id,
  line_id,
  is_gift_card,
  not is_gift_card and quantity > 0 as was_bought,
  case when not is_gift_card then {{ row_hash(['sku', 'product_id', 'category', 'vendor']) }} end as product,
  unit_price,
  case when is_gift_card then 0 else kept end as kept_quantity,
  -- A discount of the line is lost with the part that came back.
  case when kept > 0 then {{ amount_of('(' ~ as_float('unit_price') ~ ' * quantity - discount_amount) * kept / quantity') }} end as kept_amount
from judged
