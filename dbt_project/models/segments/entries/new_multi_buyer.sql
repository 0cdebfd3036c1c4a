with order_days as (

  select
    *,
    min(ordered_on) filter (where lifetime_orders >= 2) over (partition by customer_key) as second_order_on
  from {{ ref('int_customer_days') }}

)

select
  customer_key,
  ordered_on as entered_on,
  {{ earliest_day([add_days('second_order_on', whole_number_var('new_window_days')), 'next_ordered_on']) }} as exited_on
from order_days
-- Two in the frequency window, which may be less than the lifetime: a second order alone in its year is no entry.
where orders = 2 and ordered_on >= second_order_on
