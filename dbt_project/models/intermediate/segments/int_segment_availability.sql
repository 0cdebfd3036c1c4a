-- What each segment needs (`meta.segment.requires`: a table, or table.column) against what the source had.
with requirements as (

  {% for model in segment_models() -%}
  {% for requirement in model.config.meta.segment.requires -%}
  select
    '{{ model.name }}' as segment,
    {{ loop.index }} as position,
    '{{ requirement.split('.')[0] }}' as table_name,
    {{ "'" ~ requirement.split('.')[1] ~ "'" if '.' in requirement else 'cast(null as varchar)' }} as column_name
  union all
  {% endfor -%}
  {% endfor -%}
  select null as segment, null as position, null as table_name, null as column_name
  where false

),

source_columns as (

  select * from {{ ref('stg_source_columns') }}

),

answers as (

  select
    requirements.segment,
    requirements.position,
    requirements.table_name || coalesce('.' || requirements.column_name, '') as requirement,
    coalesce(bool_or(source_columns.present), false) as present
  from requirements
  left join source_columns
    on source_columns.table_name = requirements.table_name
    and (requirements.column_name is null or source_columns.column_name = requirements.column_name)
  group by requirements.segment, requirements.position, requirements.table_name, requirements.column_name

)

select
  segment,
  bool_and(present) as is_available,
  'the source has no ' || string_agg(requirement, ', ' order by position) filter (where not present) as reason
from answers
group by segment
