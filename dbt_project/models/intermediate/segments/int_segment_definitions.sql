{{ config(materialized='view') }}
-- What all segment files say, as it stands: periods may overlap, touch, be empty or begin after the as-of date.
{% for segment in segment_ids() -%}
select
  '{{ segment }}' as segment,
  customer_key,
  cast(entered_on as date) as entered_on,
  cast(exited_on as date) as exited_on
from {{ ref(segment) }}
union all
{% endfor -%}
{% for family in segment_families() -%}
select
  segment,
  customer_key,
  cast(entered_on as date) as entered_on,
  cast(exited_on as date) as exited_on
from {{ ref(family) }}
{{ 'union all' if not loop.last }}
{% endfor %}
