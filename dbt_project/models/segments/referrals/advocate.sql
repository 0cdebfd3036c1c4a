with customers as (

  select * from {{ ref('int_customers') }}

),

brought as (

  select
    referrer_key as customer_key,
    bought_on,
    row_number() over (partition by referrer_key order by bought_on, referred_key) as referral
  from {{ ref('int_referrals') }}
  where bought_on is not null

)

select
  brought.customer_key,
  greatest(brought.bought_on, customers.known_from) as entered_on,
  cast(null as date) as exited_on
from brought
inner join customers on customers.customer_key = brought.customer_key
where brought.referral = {{ whole_number_var('advocate_min_referrals') }}
