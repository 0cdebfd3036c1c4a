-- What came of each campaign, whole and by where its redeeming orders were shipped to. Money is over valid orders: an
-- order that a code made free, or that came back, is a redemption without sales.
with campaigns as (

  select * from {{ ref('int_campaigns') }}

),

people as (

  select
    campaign_id,
    count(*) filter (where sent_on is not null) as recipients,
    count(*) filter (where sent_on is not null and redeemed_on is not null) as redeemers,
    count(*) filter (where sent_on is not null and redeemed_on is null and closes_on <= {{ as_of_date() }}) as non_redeemers,
    count(*) filter (where sent_on is not null and redeemed_on is null and closes_on > {{ as_of_date() }}) as pending,
    count(*) filter (where sent_on is null) as organic_redeemers
  from {{ ref('int_campaign_customers') }}
  group by campaign_id

),

redemptions as (

  select campaign_id, count(*) as redemptions
  from {{ ref('int_campaign_redemptions') }}
  group by campaign_id

),

shared as (

  select campaign_id, count(distinct code) as shared_codes
  from {{ ref('int_shared_codes') }}
  group by campaign_id

),

money as (

  select * exclude (ship_country, ship_region, is_total)
  from {{ ref('int_campaign_sales') }}
  where is_total

)

select
  campaigns.campaign_id,
  campaigns.name,
  campaigns.starts_on,
  campaigns.ends_on,
  coalesce(people.recipients, 0) as recipients,
  coalesce(people.redeemers, 0) as redeemers,
  coalesce(people.non_redeemers, 0) as non_redeemers,
  coalesce(people.pending, 0) as pending,
  coalesce(people.organic_redeemers, 0) as organic_redeemers,
  coalesce(redemptions.redemptions, 0) as redemptions,
  coalesce(shared.shared_codes, 0) as shared_codes,
  coalesce(money.orders, 0) as orders,
  coalesce(money.customers, 0) as customers,
  coalesce(money.new_customers, 0) as new_customers,
  {{ money('coalesce(money.gmv, 0)') }} as gmv,
  {{ money('coalesce(money.discount_amount, 0)') }} as discount_amount,
  {{ money('coalesce(money.net_sales, 0)') }} as net_sales,
  {{ money('money.average_order_value') }} as average_order_value,
  {{ money('money.margin') }} as margin,
  money.margin_basis,
  {{ as_of_date() }} as as_of
from campaigns
left join people on people.campaign_id = campaigns.campaign_id
left join redemptions on redemptions.campaign_id = campaigns.campaign_id
left join shared on shared.campaign_id = campaigns.campaign_id
left join money on money.campaign_id = campaigns.campaign_id
