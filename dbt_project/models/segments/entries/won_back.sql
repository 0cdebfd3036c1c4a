select
  customer_key,
  ordered_on as entered_on,
  {{ earliest_day([add_days('ordered_on', whole_number_var('winback_window_days')), 'next_ordered_on']) }} as exited_on
from {{ ref('int_customer_days') }}
where {{ days_between('previous_ordered_on', 'ordered_on') }} > {{ whole_number_var('lapse_days') }}
