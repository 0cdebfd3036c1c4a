with campaigns as (

  select * from {{ source('raw', 'campaigns') }}

)

select
  campaign_id,
  coalesce(nullif(trim(name), ''), campaign_id) as name,
  nullif(trim(code_pattern), '') as code_pattern,
  starts_on,
  ends_on
from campaigns
