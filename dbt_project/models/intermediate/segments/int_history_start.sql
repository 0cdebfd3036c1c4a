-- Where the known history begins, when older orders exist that were not loaded: because somebody says so, the source
-- says so, or the platform counts more orders than there are. One row; the reasons are words for people.
{%- set missing = "'orders before ' || whole_from || ' are missing (' || greatest(" ~ days_between('whole_from', as_of_date()) ~ " + 1, 0) || ' days are known)'" %}
with given as (

  select {{ day_var('history_is_whole_from') }} as whole_from

),

reasons as (

  select 1 as position, whole_from, {{ missing }} as reason
  from given
  where whole_from is not null
  union all
  select 2, whole_from, coalesce({{ missing }} || ': ', '') || reason
  from {{ ref('stg_source_history') }}
  union all
  select 3, null, with_fewer_orders || ' of ' || with_orders || ' customers have more orders at the platform than were loaded'
  from {{ ref('int_reconciled') }}
  where with_fewer_orders > {{ share_var('quality_max_missing_orders') }} * with_orders

)

select
  count(*) > 0 as is_cut,
  max(whole_from) as whole_from,
  string_agg(reason, '; ' order by position) as reason
from reasons
