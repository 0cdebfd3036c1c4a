-- What was sent to whom, with the code where each recipient has one; to people we do not know as well, because their
-- codes are the campaign's, too. A campaign that has not begun is not there yet.
with sends as (

  select * from {{ ref('stg_campaign_sends') }}
  where sent_on <= {{ as_of_date() }}

),

campaigns as (

  select campaign_id from {{ ref('int_campaigns') }}

),

identities as (

  select * from {{ ref('int_customer_identities') }}
  where resolves_orders

),

owned as (

  select
    sends.*,
    coalesce(by_email.customer_key, by_customer_id.customer_key) as customer_key
  from sends
  semi join campaigns on campaigns.campaign_id = sends.campaign_id
  left join identities as by_email
    on by_email.id_type = 'email' and by_email.id_value = sends.email
  left join identities as by_customer_id
    on by_customer_id.id_type = 'customer_id' and by_customer_id.id_value = sends.customer_id

)

select distinct
  campaign_id,
  customer_key,
  coalesce(customer_key, 'email|' || email, 'customer_id|' || customer_id) as recipient,
  code,
  sent_at,
  sent_on
from owned
