-- A customer with several accounts: the latest word holds, and of two words given at the same moment the
-- more restrictive one. A word without a date is older than any with one.
with accounts as (

  select * from {{ ref('int_customer_accounts') }}

),

words as (

  select customer_key, 'email' as channel, email_consent as consent, email_consent_at as given_at from accounts
  union all
  select customer_key, 'sms' as channel, sms_consent as consent, sms_consent_at as given_at from accounts

),

ranked as (

  select
    *,
    case consent when 'unsubscribed' then 1 when 'never' then 2 when 'pending' then 3 when 'subscribed' then 4 end as strictness
  from words

),

latest as (

  select customer_key, channel, consent, {{ shop_date('given_at') }} as given_on
  from ranked
  where strictness is not null
  qualify row_number() over (
    partition by customer_key, channel order by given_at desc nulls last, strictness
  ) = 1

)

select
  customer_key,
  max(consent) filter (where channel = 'email') as email_consent,
  max(consent) filter (where channel = 'sms') as sms_consent,
  max(given_on) filter (where channel = 'email') as email_consent_on,
  max(given_on) filter (where channel = 'sms') as sms_consent_on
from latest
group by customer_key
