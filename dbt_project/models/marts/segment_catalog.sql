with availability as (

  select * from {{ ref('int_segment_availability') }}

),

history_start as (

  select * from {{ ref('int_history_start') }}

),

files as (

  {% for model in segment_models() -%}
  {%- set about = model.config.meta.segment -%}
  {%- set parameters = {} -%}
  {%- for name in about.parameters -%}
    {%- do parameters.update({name: var(name)}) -%}
  {%- endfor -%}
  select
    {{ loop.index }} as position,
    '{{ model.name }}' as file,
    '{{ dbt.escape_single_quotes(about.title) }}' as title,
    '{{ dbt.escape_single_quotes(model.description.split() | join(' ')) }}' as description,
    -- A threshold taken from the population moves with it.
    '{{ 'snapshot' if 'thresholds' in about.parameters and var('thresholds') == 'percentile' else about.kind }}' as kind,
    '{{ dbt.escape_single_quotes(tojson(parameters)) }}' as parameters,
    '{{ about.owner }}' as owner,
    '{{ about.history }}' as history
  union all
  {% endfor -%}
  select null, null, null, null, null, null, null, null
  where false

),

rules as (

  select * from {{ ref('int_segment_rules') }}

),

segments as (

  select
    files.position,
    rules.line,
    coalesce(rules.segment, files.file) as segment,
    coalesce(rules.title, files.title) as title,
    coalesce(rules.description, files.description) as description,
    files.kind,
    -- What a rule says is as much a parameter as a variable: changing it moves customers.
    {{ with_rule('files.parameters', 'rules.segment', 'rules.description') }} as parameters,
    files.owner,
    -- Whether an order of any age can decide who is a member, or else from which day on; null is lately.
    files.history = 'whole' and rules.orders_from is null as needs_all_orders,
    rules.orders_from
  from files
  left join rules on rules.family = files.file
  where rules.segment is not null or files.file in ({{ "'" ~ segment_ids() | join("', '") ~ "'" }})

),

judged as (

  select
    segments.*,
    availability.reason as unavailable_for,
    history_start.reason as censored_for,
    case
      when not coalesce(availability.is_available, false) then 'unavailable'
      when history_start.is_cut and (segments.needs_all_orders or segments.orders_from < history_start.whole_from)
        then 'left_censored'
      else 'available'
    end as status
  from segments
  cross join history_start
  left join availability on availability.segment = segments.segment

)

select
  segment,
  title,
  description,
  kind,
  status,
  case status when 'unavailable' then unavailable_for when 'left_censored' then censored_for end as reason,
  parameters,
  owner
from judged
order by position, line, segment
