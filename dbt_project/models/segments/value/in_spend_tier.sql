select
  tiers.segment,
  days.customer_key,
  days.ordered_on as entered_on,
  days.next_ordered_on as exited_on
from {{ ref('int_customer_days') }} as days
inner join {{ ref('int_spend_tiers') }} as tiers
  on days.spend_per_order >= tiers.starts_at
  and (tiers.next_starts_at is null or days.spend_per_order < tiers.next_starts_at)
