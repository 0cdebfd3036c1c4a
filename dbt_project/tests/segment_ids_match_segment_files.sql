{{ config(meta={'dagster': {'ref': {'name': 'segment_catalog'}}}) }}
-- depends_on: {{ ref('segment_catalog') }}
{%- set files = [] -%}
{%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'segments' -%}
  {%- do files.append(node.name) -%}
{%- endfor %}
-- A segment that is in only one of the two lists would be missing from every published table.
with ids as (

  select unnest([{% for id in segment_ids() %}'{{ id }}'{{ ', ' if not loop.last }}{% endfor %}]) as segment

),

files as (

  select unnest([{% for name in files %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]) as segment

),

catalog as (

  select segment from {{ ref('segment_catalog') }}

)

select segment, 'no file' as problem from ids anti join files using (segment)
union all
select segment, 'not in segment_ids()' as problem from files anti join ids using (segment)
union all
select segment, 'not in segment_catalog' as problem from ids anti join catalog using (segment)
