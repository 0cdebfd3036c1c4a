with silences as (

  select
    customer_key,
    next_ordered_on,
    {{ add_days('ordered_on', whole_number_var('active_days') + 1) }} as entered_on
  from {{ ref('int_customer_days') }}
  where tier = 'hvc'

)

select
  customer_key,
  entered_on,
  {{ earliest_day([add_days('entered_on', whole_number_var('new_window_days')), 'next_ordered_on']) }} as exited_on
from silences
