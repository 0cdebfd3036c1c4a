-- Who entered one of these lately is in its flow, and should not start another.
{%- set entries = ['new_hvc', 'new_churning_hvc', 'new_lapsed_hvc'] %}
with entries as (

  {% for entry in entries -%}
  select customer_key, entered_on
  from {{ ref(entry) }}
  where exited_on is null or entered_on < exited_on
  {{ 'union all' if not loop.last }}
  {% endfor %}

)

select
  customer_key,
  entered_on,
  {{ add_days('entered_on', whole_number_var('hvc_event_quiet_days')) }} as exited_on
from entries
