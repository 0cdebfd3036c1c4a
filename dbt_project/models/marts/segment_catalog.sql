with availability as (

  select * from {{ ref('int_segment_availability') }}

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
    '{{ about.owner }}' as owner
  union all
  {% endfor -%}
  select null, null, null, null, null, null, null
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
    files.owner
  from files
  left join rules on rules.family = files.file
  where rules.segment is not null or files.file in ({{ "'" ~ segment_ids() | join("', '") ~ "'" }})

)

select
  segments.segment,
  segments.title,
  segments.description,
  segments.kind,
  case when availability.is_available then 'available' else 'unavailable' end as status,
  availability.reason,
  segments.parameters,
  segments.owner
from segments
left join availability on availability.segment = segments.segment
order by segments.position, segments.line, segments.segment
