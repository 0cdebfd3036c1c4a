{{ config(meta={'dagster': {'ref': {'name': 'segment_catalog'}}}) }}
-- depends_on: {{ ref('segment_catalog') }}
{%- set files = [] -%}
{%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'segments' -%}
  {%- do files.append(node.name) -%}
{%- endfor %}
-- A segment that is in only one of the two lists would be missing from every published table.
with ids as (

  select unnest(['{{ (segment_ids() + segment_families()) | join("', '") }}']) as segment

),

files as (

  select unnest(['{{ files | join("', '") }}']) as segment

),

catalog as (

  select segment from {{ ref('segment_catalog') }}

),

expected as (

  select unnest(['{{ segment_ids() | join("', '") }}']) as segment
  union all
  select segment from {{ ref('int_segment_rules') }}

)

select segment, 'no file' as problem from ids anti join files using (segment)
union all
select segment, 'not in segment_ids()' as problem from files anti join ids using (segment)
union all
select segment, 'not in segment_catalog' as problem from expected anti join catalog using (segment)
