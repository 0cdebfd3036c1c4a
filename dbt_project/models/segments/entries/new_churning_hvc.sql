with silences as (

  select
    days.customer_key,
    days.next_ordered_on,
    {{ add_days('days.ordered_on', 'thresholds.active_days + 1') }} as entered_on
  from {{ ref('int_customer_days') }} as days
  inner join {{ ref('int_lifecycle_thresholds') }} as thresholds on thresholds.tier = days.tier
  where days.tier = 'hvc'

)

select
  customer_key,
  entered_on,
  {{ earliest_day([add_days('entered_on', whole_number_var('new_window_days')), 'next_ordered_on']) }} as exited_on
from silences
