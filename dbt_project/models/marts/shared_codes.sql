{{ config(materialized='view') }}
select
  campaign_id,
  code,
  owner_key,
  redeemer_key,
  order_id,
  ordered_on
from {{ ref('int_shared_codes') }}
