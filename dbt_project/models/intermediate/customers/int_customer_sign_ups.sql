-- The day somebody signed up: the earliest of account and yes to messages. An account that an import made on one day
-- with many others is as old as its consent, and who subscribes again has not signed up again.
with accounts as (

  select * from {{ ref('int_customer_accounts') }}

),

moments as (

  select customer_key, created_on as day from accounts
  union all
  select customer_key, {{ shop_date('email_consent_at') }} as day from accounts
  where email_consent in ('subscribed', 'pending')
  union all
  select customer_key, {{ shop_date('sms_consent_at') }} as day from accounts
  where sms_consent in ('subscribed', 'pending')

)

select
  customer_key,
  min(day) as signed_up_on
from moments
where day <= {{ as_of_date() }}
group by customer_key
