{{ config(materialized='view') }}
-- What all segment files say, as it stands: periods may overlap, touch, be empty or begin after the as-of date.
{%- set separate = ids_of_separate_stays() %}
{% for file in segment_ids() + segment_families() -%}
select
  {{ "'" ~ file ~ "' as segment" if file in segment_ids() else 'segment' }},
  customer_key,
  cast(entered_on as date) as entered_on,
  cast(exited_on as date) as exited_on,
  {{ 'true' if file in separate else 'false' }} as is_separate
from {{ ref(file) }}
{{ 'union all' if not loop.last }}
{% endfor %}
