-- By the programme's own record, or by a friend's code on the very first order.
with by_record as (

  select
    referrals.referred_key as customer_key,
    greatest(customers.known_from, referrals.referred_on) as entered_on
  from {{ ref('int_referrals') }} as referrals
  inner join {{ ref('int_customers') }} as customers on customers.customer_key = referrals.referred_key

),

by_code as (

  select codes.customer_key, codes.ordered_on as entered_on
  from {{ ref('int_order_codes') }} as codes
  inner join {{ ref('int_family_codes') }} as families on families.code = codes.code
  {%- if enum_var('order_grain') == 'customer_day' %}
  -- The orders of a day are one order.
  inner join {{ ref('int_customer_days') }} as days
    on days.customer_key = codes.customer_key
    and days.ordered_on = codes.ordered_on
    and days.previous_ordered_on is null
  where codes.counts and families.is_referral
  {%- else %}
  where codes.order_number = 1 and families.is_referral
  {%- endif %}

)

select
  customer_key,
  min(entered_on) as entered_on,
  cast(null as date) as exited_on
from (select * from by_record union all select * from by_code) as both_ways
group by customer_key
