select
  prefix || '_organic_redeemers' as segment,
  customer_key,
  redeemed_on as entered_on,
  sent_on as exited_on
from {{ ref('int_campaign_customers') }}
where redeemed_on is not null
