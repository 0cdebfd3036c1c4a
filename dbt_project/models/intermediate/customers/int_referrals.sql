-- Who brought whom, one row per referred customer: the first to have done so. Nobody refers themselves, nor somebody
-- of the same household, as far as its signs tell.
with referrals as (

  select * from {{ ref('stg_referrals') }}
  where referred_on is null or referred_on <= {{ as_of_date() }}

),

accounts as (

  select customer_key, id_value as customer_id
  from {{ ref('int_customer_identities') }}
  where id_type = 'customer_id'

),

pairs as (

  select
    referrers.customer_key as referrer_key,
    referred.customer_key as referred_key,
    referrals.referred_at,
    referrals.referred_on
  from referrals
  inner join accounts as referrers on referrers.customer_id = referrals.referrer_customer_id
  inner join accounts as referred on referred.customer_id = referrals.referred_customer_id
  where referrers.customer_key <> referred.customer_key

),

households as (

  select * from {{ ref('int_household_signs') }}

),

same_household as (

  select distinct pairs.referrer_key, pairs.referred_key
  from pairs
  inner join households as one on one.customer_key = pairs.referrer_key
  inner join households as other on other.customer_key = pairs.referred_key
  where one.sign = other.sign

),

buyers as (

  select customer_key, min(ordered_on) as first_order_on
  from {{ ref('int_customer_days') }}
  group by customer_key

)

-- Who had bought before needed nobody to bring them.
select
  pairs.referrer_key,
  pairs.referred_key,
  pairs.referred_on,
  buyers.first_order_on as bought_on
from pairs
anti join same_household
  on same_household.referrer_key = pairs.referrer_key and same_household.referred_key = pairs.referred_key
left join buyers on buyers.customer_key = pairs.referred_key
where pairs.referred_on is null or buyers.first_order_on is null or buyers.first_order_on >= pairs.referred_on
qualify row_number() over (
  partition by pairs.referred_key order by pairs.referred_at nulls last, pairs.referrer_key
) = 1
