-- One row per campaign and customer who was sent it or redeemed it: the days on which that became true. What was sent
-- before the campaign began, or before the customer was known, begins to matter then.
with recipients as (

  select campaign_id, customer_key, min(sent_on) as sent_on
  from {{ ref('int_campaign_sends') }}
  where customer_key is not null
  group by campaign_id, customer_key

),

redemptions as (

  select campaign_id, customer_key, min(ordered_on) as redeemed_on
  from {{ ref('int_campaign_redemptions') }}
  group by campaign_id, customer_key

),

campaigns as (

  select * from {{ ref('int_campaigns') }}

),

customers as (

  select * from {{ ref('int_customers') }}

),

both_sides as (

  select
    coalesce(recipients.campaign_id, redemptions.campaign_id) as campaign_id,
    coalesce(recipients.customer_key, redemptions.customer_key) as customer_key,
    recipients.sent_on,
    redemptions.redeemed_on
  from recipients
  full outer join redemptions
    on redemptions.campaign_id = recipients.campaign_id
    and redemptions.customer_key = recipients.customer_key

)

select
  both_sides.campaign_id,
  both_sides.customer_key,
  case when both_sides.sent_on is not null then greatest(both_sides.sent_on, campaigns.starts_on, customers.known_from) end as sent_on,
  both_sides.redeemed_on,
  campaigns.prefix,
  campaigns.closes_on
from both_sides
inner join campaigns on campaigns.campaign_id = both_sides.campaign_id
inner join customers on customers.customer_key = both_sides.customer_key
