-- Orders with a code that a customer may use once, such as a welcome code.
select distinct
  families.family,
  codes.customer_key,
  codes.order_id,
  codes.ordered_at,
  codes.ordered_on,
  orders.device
from {{ ref('int_order_codes') }} as codes
inner join {{ ref('int_family_codes') }} as families on families.code = codes.code
inner join {{ ref('int_orders_owned') }} as orders on orders.order_id = codes.order_id
where codes.is_redemption and families.once_per_customer
