with first_days as (

  select customer_key, min(ordered_on) as entered_on
  from {{ ref('int_customer_days') }}
  where tier = 'hvc'
  group by customer_key

)

select
  customer_key,
  entered_on,
  {{ add_days('entered_on', whole_number_var('new_window_days')) }} as exited_on
from first_days
