with availability as (

  select * from {{ ref('int_segment_availability') }}

),

segments as (

  {% for model in segment_models() -%}
  {%- set about = model.config.meta.segment -%}
  {%- set parameters = {} -%}
  {%- for name in about.parameters -%}
    {%- do parameters.update({name: var(name)}) -%}
  {%- endfor -%}
  select
    {{ loop.index }} as position,
    '{{ model.name }}' as segment,
    '{{ dbt.escape_single_quotes(about.title) }}' as title,
    '{{ dbt.escape_single_quotes(model.description.split() | join(' ')) }}' as description,
    '{{ about.kind }}' as kind,
    '{{ dbt.escape_single_quotes(tojson(parameters)) }}' as parameters,
    '{{ about.owner }}' as owner
  union all
  {% endfor -%}
  select null, null, null, null, null, null, null
  where false

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
order by segments.position
