-- What is known of each customer beside sales and lifecycle, as of the as-of date, for properties that a flow or a
-- promotion engine reads. A trait that the source cannot tell is null, never false or zero.
with customers as (

  select customer_key from {{ ref('int_customers') }}

),

latest_days as (

  select * from {{ ref('int_customer_days') }}
  where next_ordered_on is null

),

tiers as (

  select * from {{ ref('int_spend_tiers') }}

),

lowest_tier as (

  select min(starts_at) as starts_at from tiers

),

spending as (

  select
    latest_days.customer_key,
    tiers.tier as spend_tier,
    case when tiers.tier is null then lowest_tier.starts_at else tiers.next_starts_at end - latest_days.spend_per_order as amount_to_next_tier
  from latest_days
  cross join lowest_tier
  left join tiers
    on latest_days.spend_per_order >= tiers.starts_at
    and (tiers.next_starts_at is null or latest_days.spend_per_order < tiers.next_starts_at)

),

ladder as (

  select
    latest_days.customer_key,
    steps.step,
    steps.offer_code
  from latest_days
  inner join {{ ref('int_discount_ladder') }} as steps
    on steps.lifecycle_tier = latest_days.tier
    and {{ days_between('latest_days.ordered_on', as_of_date()) }} >= steps.min_days
    and (steps.next_min_days is null or {{ days_between('latest_days.ordered_on', as_of_date()) }} < steps.next_min_days)
  where not latest_days.is_only_with_discount

),

codes as (

  select
    customer_key,
    lifetime_orders,
    cast(lifetime_code_orders as double) / lifetime_orders as code_order_share
  from latest_days

),

loyalty as (

  select customer_key, tier, points
  from {{ ref('int_customer_loyalty') }}
  where joined_on <= {{ as_of_date() }} and (left_on is null or left_on > {{ as_of_date() }})
  qualify row_number() over (partition by customer_key order by points desc nulls last, tier nulls last) = 1

),

brought as (

  select referrer_key as customer_key, count(*) as referrals
  from {{ ref('int_referrals') }}
  where bought_on is not null
  group by referrer_key

),

referred as (

  select customer_key from {{ ref('referred') }}

),

abuse as (

  select customer_key, score
  from {{ ref('int_abuse_scores') }}
  where since <= {{ as_of_date() }} and (until is null or until > {{ as_of_date() }})

),

carts as (

  select
    checkouts.customer_key,
    arg_max(checkouts.total_amount, (checkouts.updated_at, checkouts.checkout_token)) as total_amount
  from {{ ref('int_checkouts_owned') }} as checkouts
  semi join {{ ref('int_abandoned_carts') }} as stays
    on stays.customer_key = checkouts.customer_key
    and stays.entered_on <= {{ as_of_date() }}
    and stays.exited_on > {{ as_of_date() }}
  where
    {{ day_after('checkouts.updated_at', whole_number_var('abandoned_cart_hours')) }} <= {{ as_of_date() }}
    and (checkouts.completed_on is null or checkouts.completed_on > {{ as_of_date() }})
  group by checkouts.customer_key

),

brands as (

  select * from {{ ref('int_customer_brands') }}

),

sign_ups as (

  select * from {{ ref('int_customer_sign_ups') }}

),

known as (

  select
    bool_or(is_available) filter (where segment = 'only_with_discount') as has_discounts,
    bool_or(is_available) filter (where segment = 'coupon_abuser') as has_codes,
    bool_or(is_available) filter (where segment = 'advocate') as has_referrals,
    bool_or(is_available) filter (where segment = 'referred') as has_referred,
    bool_or(is_available) filter (where segment = 'loyalty_member') as has_loyalty
  from {{ ref('int_segment_availability') }}

)

select
  customers.customer_key,
  sign_ups.signed_up_on,
  spending.spend_tier,
  spending.amount_to_next_tier,
  case when known.has_discounts then codes.code_order_share end as code_order_share,
  case
    when not known.has_discounts or codes.lifetime_orders < 2 then null
    when codes.code_order_share = 0 then 'full_price'
    when codes.code_order_share < 0.5 then 'occasional'
    when codes.code_order_share < 1 then 'frequent'
    when codes.code_order_share = 1 then 'only_with_discount'
  end as discount_dependence,
  case when known.has_discounts then ladder.step end as discount_ladder_step,
  case when known.has_discounts then ladder.offer_code end as discount_ladder_code,
  case when known.has_codes then coalesce(abuse.score, 0) end as coupon_abuse_score,
  brands.preferred_brand,
  case when known.has_loyalty then loyalty.customer_key is not null end as is_loyalty_member,
  loyalty.tier as loyalty_tier,
  loyalty.points as loyalty_points,
  case when known.has_referrals then coalesce(brought.referrals, 0) end as referral_count,
  case when known.has_referred then referred.customer_key is not null end as is_referred,
  carts.total_amount as abandoned_cart_amount
from customers
cross join known
left join sign_ups on sign_ups.customer_key = customers.customer_key
left join spending on spending.customer_key = customers.customer_key
left join codes on codes.customer_key = customers.customer_key
left join ladder on ladder.customer_key = customers.customer_key
left join abuse on abuse.customer_key = customers.customer_key
left join brands on brands.customer_key = customers.customer_key
left join loyalty on loyalty.customer_key = customers.customer_key
left join brought on brought.customer_key = customers.customer_key
left join referred on referred.customer_key = customers.customer_key
left join carts on carts.customer_key = customers.customer_key
