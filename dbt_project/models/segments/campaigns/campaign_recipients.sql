select
  prefix || '_recipients' as segment,
  customer_key,
  sent_on as entered_on,
  cast(null as date) as exited_on
from {{ ref('int_campaign_customers') }}
where sent_on is not null
