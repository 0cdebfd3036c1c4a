-- After how many days of silence a customer churns and lapses, by tier. With thresholds: percentile the days follow
-- from how long customers of that tier took to come back: one median gap a customer, so that heavy buyers do not
-- outweigh the others. Gaps count that had ended when the month began, so that the days move once a month and
-- nobody enters a state twice because a threshold moved overnight.
{%- set active_days = whole_number_var('active_days') %}
{%- set lapse_days = whole_number_var('lapse_days') %}
{%- set by_percentile = enum_var('thresholds') == 'percentile' %}
with tiers as (

  select 'single' as tier
  union all
  select 'multi' as tier
  union all
  select 'hvc' as tier

)

{%- if by_percentile %},

gaps as (

  select
    tier,
    customer_key,
    median({{ days_between('ordered_on', 'next_ordered_on') }}) as gap
  from {{ ref('int_customer_days') }}
  where next_ordered_on < {{ first_of_month(as_of_date()) }}
  group by tier, customer_key

),

measured as (

  select
    tier,
    count(*) as gaps,
    ceil(quantile_disc(gap, {{ share_var('churn_pct') }})) as active_days,
    ceil(quantile_disc(gap, {{ share_var('lapse_pct') }})) as lapse_days
  from gaps
  group by tier

),

clamped as (

  select
    tiers.tier,
    coalesce(measured.gaps, 0) as gaps,
    coalesce(measured.gaps >= {{ whole_number_var('percentile_min_gaps') }}, false) as is_measured,
    least(greatest(measured.active_days, {{ whole_number_var('percentile_min_days') }}), {{ whole_number_var('percentile_max_days') }}) as active_days,
    least(greatest(measured.lapse_days, {{ whole_number_var('percentile_min_days') }}), {{ whole_number_var('percentile_max_days') }}) as lapse_days
  from tiers
  left join measured on measured.tier = tiers.tier

)

select
  tier,
  case when is_measured then 'percentile' else 'fixed' end as basis,
  gaps as customers_measured,
  cast(case when is_measured then active_days else {{ active_days }} end as integer) as active_days,
  -- Clamping may make both days equal, and churning would not exist.
  cast(case when is_measured then greatest(lapse_days, active_days + 1) else {{ lapse_days }} end as integer) as lapse_days
from clamped
{%- else %}

-- depends_on: {{ ref('int_customer_days') }}
select
  tier,
  'fixed' as basis,
  cast(null as bigint) as customers_measured,
  {{ active_days }} as active_days,
  {{ lapse_days }} as lapse_days
from tiers
{%- endif %}
