with campaign_sends as (

  select * from {{ source('raw', 'campaign_sends') }}

)

select
  campaign_id,
  sent_at,
  {{ shop_date('sent_at') }} as sent_on,
  nullif(trim(customer_id), '') as customer_id,
  {{ normalise_email('email') }} as email,
  upper(nullif(trim(code), '')) as code
from campaign_sends
