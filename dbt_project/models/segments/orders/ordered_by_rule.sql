-- Crossing both bounds in one day is no stay: such a row begins and ends on that day and is dropped.
select
  rules.segment,
  days.customer_key,
  min(days.ordered_on) filter (where days.lifetime_orders >= rules.min_orders) as entered_on,
  min(days.ordered_on) filter (where days.lifetime_orders > rules.max_orders) as exited_on
from {{ ref('int_customer_days') }} as days
inner join {{ ref('int_order_count_rules') }} as rules on days.lifetime_orders >= rules.min_orders
group by rules.segment, days.customer_key
