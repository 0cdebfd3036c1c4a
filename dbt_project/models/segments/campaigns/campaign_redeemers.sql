select
  prefix || '_redeemers' as segment,
  customer_key,
  greatest(sent_on, redeemed_on) as entered_on,
  cast(null as date) as exited_on
from {{ ref('int_campaign_customers') }}
where sent_on is not null and redeemed_on is not null
