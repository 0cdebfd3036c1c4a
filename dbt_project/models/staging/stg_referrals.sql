with referrals as (

  select * from {{ source('raw', 'referrals') }}

)

select
  trim(referrer_customer_id) as referrer_customer_id,
  trim(referred_customer_id) as referred_customer_id,
  referred_at,
  {{ shop_date('referred_at') }} as referred_on
from referrals
