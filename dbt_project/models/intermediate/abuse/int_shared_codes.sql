-- A personal code, sent to one customer alone, that somebody else redeemed.
with recipients as (

  select
    code,
    arg_min(campaign_id, (sent_at, campaign_id)) as campaign_id,
    min(customer_key) as owner_key,
    min(sent_at) as sent_at
  from {{ ref('int_campaign_sends') }}
  where code is not null
  group by code
  having count(distinct recipient) = 1 and min(customer_key) is not null

)

select
  recipients.campaign_id,
  codes.code,
  recipients.owner_key,
  codes.customer_key as redeemer_key,
  codes.order_id,
  codes.ordered_on
from {{ ref('int_order_codes') }} as codes
inner join recipients on recipients.code = codes.code
where codes.is_redemption and codes.customer_key <> recipients.owner_key and codes.ordered_at >= recipients.sent_at
