-- Orders that redeemed a code of a campaign inside its window. A code that two campaigns use belongs to the one that
-- was sent to this customer last before the order, and to the one that began last when none was sent.
with codes as (

  select * from {{ ref('int_order_codes') }}
  where is_redemption

),

campaigns as (

  select * from {{ ref('int_campaigns') }}

),

sends as (

  select * from {{ ref('int_campaign_sends') }}

),

campaign_codes as (

  select known_codes.code, campaigns.campaign_id
  from (select distinct code from codes) as known_codes
  inner join campaigns
    on starts_with(known_codes.code, campaigns.pattern_prefix)
    and {{ code_matches('known_codes.code', 'campaigns.code_pattern') }}
  union
  select code, campaign_id
  from sends
  where code is not null

),

candidates as (

  select
    codes.*,
    campaigns.campaign_id,
    campaigns.starts_on
  from codes
  inner join campaign_codes on campaign_codes.code = codes.code
  inner join campaigns on campaigns.campaign_id = campaign_codes.campaign_id
  where codes.ordered_on >= campaigns.starts_on and codes.ordered_on < campaigns.closes_on

)

select
  candidates.campaign_id,
  candidates.order_id,
  candidates.code,
  candidates.customer_key,
  candidates.ordered_on,
  candidates.is_valid
from candidates
left join sends
  on sends.campaign_id = candidates.campaign_id
  and sends.customer_key = candidates.customer_key
  and sends.sent_at <= candidates.ordered_at
qualify row_number() over (
  partition by candidates.order_id, candidates.code
  order by sends.sent_at desc nulls last, candidates.starts_on desc, candidates.campaign_id
) = 1
