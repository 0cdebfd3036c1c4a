select
  steps.segment,
  days.customer_key,
  {{ add_days('days.ordered_on', 'steps.min_days') }} as entered_on,
  {{ earliest_day([add_days('days.ordered_on', 'steps.next_min_days'), 'days.next_ordered_on']) }} as exited_on
from {{ ref('int_customer_days') }} as days
inner join {{ ref('int_discount_ladder') }} as steps on steps.lifecycle_tier = days.tier
-- Who buys with a discount only would just wait for the highest step.
where not days.is_only_with_discount
