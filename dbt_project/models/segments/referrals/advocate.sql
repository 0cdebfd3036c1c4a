with brought as (

  select
    referrer_key as customer_key,
    bought_on,
    row_number() over (partition by referrer_key order by bought_on, referred_key) as referral
  from {{ ref('int_referrals') }}
  where bought_on is not null

)

select
  customer_key,
  bought_on as entered_on,
  cast(null as date) as exited_on
from brought
where referral = {{ whole_number_var('advocate_min_referrals') }}
