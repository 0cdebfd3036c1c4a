{{ config(materialized='view') }}
select
  tier,
  basis,
  customers_measured,
  active_days,
  lapse_days
from {{ ref('int_lifecycle_thresholds') }}
