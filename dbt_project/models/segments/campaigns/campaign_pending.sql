select
  prefix || '_pending' as segment,
  customer_key,
  sent_on as entered_on,
  {{ earliest_day(['redeemed_on', 'closes_on']) }} as exited_on
from {{ ref('int_campaign_customers') }}
where sent_on is not null
