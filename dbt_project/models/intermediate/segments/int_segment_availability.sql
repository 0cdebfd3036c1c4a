-- What each segment needs against what the source had. `meta.segment.requires` lists what a file needs: a table, a
-- table.column, `var x` (the variable is not null) or `var x is y`; with ` or ` between them one is enough. A rule may
-- need more columns than its file.
with requirements as (

  {% for model in segment_models() -%}
  {% for requirement in model.config.meta.segment.requires -%}
  {% for choice in requirement.split(' or ') -%}
  select
    '{{ model.name }}' as file,
    '{{ requirement | replace('var ', 'variable ') }}' as requirement,
    '{{ choice.split('.')[0] }}' as table_name,
    {{ "'" ~ choice.split('.')[1] ~ "'" if '.' in choice else 'cast(null as varchar)' }} as column_name,
    {{ is_given_var(choice) }} as is_given
  union all
  {% endfor -%}
  {% endfor -%}
  {% endfor -%}
  select null, null, null, null, null
  where false

),

segments as (

  {% for id in segment_ids() -%}
  select '{{ id }}' as file, '{{ id }}' as segment, {{ empty_list() }} as requires
  union all
  {% endfor -%}
  select family, segment, requires
  from {{ ref('int_segment_rules') }}

),

needs as (

  select segments.segment, requirements.requirement, requirements.table_name, requirements.column_name, requirements.is_given
  from segments
  inner join requirements on requirements.file = segments.file
  union all
  select segment, requirement, split_part(requirement, '.', 1), split_part(requirement, '.', 2), false
  from (select segment, unnest(requires) as requirement from segments) as of_rules

),

source_columns as (

  select * from {{ ref('stg_source_columns') }}

),

answers as (

  select
    needs.segment,
    needs.requirement,
    coalesce(bool_or(source_columns.present or needs.is_given), bool_or(needs.is_given)) as present
  from needs
  left join source_columns
    on source_columns.table_name = needs.table_name
    and (needs.column_name is null or source_columns.column_name = needs.column_name)
  group by needs.segment, needs.requirement

)

select
  segment,
  bool_and(present) as is_available,
  'the source has no ' || string_agg(requirement, ', ' order by requirement) filter (where not present) as reason
from answers
group by segment
