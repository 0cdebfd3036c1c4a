-- Campaigns that have begun, with the name their segments bear: two ids that read alike get a suffix of their own.
with campaigns as (

  select
    *,
    {{ segment_slug('campaign_id') }} as slug
  from {{ ref('stg_campaigns') }}
  where starts_on <= {{ as_of_date() }}

)

select
  campaign_id,
  'campaign_' || slug || case when count(*) over (partition by slug) > 1 then '_' || left(md5(campaign_id), 4) else '' end as prefix,
  name,
  code_pattern,
  {{ literal_prefix('code_pattern') }} as pattern_prefix,
  starts_on,
  ends_on,
  -- The first day on which nothing can be redeemed any more.
  {{ add_days('ends_on', whole_number_var('campaign_grace_days', 0) + 1) }} as closes_on
from campaigns
