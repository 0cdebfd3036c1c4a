{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'source_quality'}}}) }}
-- Shares of source_quality above their limits (variables quality_max_…). A warning, because the segments are right for
-- what was loaded; whether that is enough to send them is for a person to say.
with limits as (

  select 'orders_without_customer_share' as check_name, {{ share_var('quality_max_without_customer') }} as most
  union all
  select 'orders_without_ship_country_share', {{ share_var('quality_max_without_country') }}
  union all
  select 'customers_with_missing_orders_share', {{ share_var('quality_max_missing_orders') }}

)

select quality."check" as check_name, quality.value, limits.most, quality.detail
from {{ ref('source_quality') }} as quality
inner join limits on limits.check_name = quality."check"
where quality.value > limits.most
