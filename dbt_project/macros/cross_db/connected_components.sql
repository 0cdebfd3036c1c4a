{#
  Common table expressions that end in `components(node, root)`: every node of `links(a, b)` with the
  smallest node it is connected to, over any number of links. To be used behind `with recursive`; a node
  that is in no link is not in the result.

  Each round lets a node point at its smallest neighbour, follows that pointer once more, and rewrites the
  links to the nodes pointed at. A component therefore shrinks by half or more in every round, and a chain of
  a million links needs about fifteen rounds, where passing the smallest label on from neighbour to
  neighbour would need a million. The pointers of all rounds are then followed to the end.
#}
{% macro component_ctes(links) -%}
  {{ return(adapter.dispatch('component_ctes')(links)) }}
{%- endmacro %}

{# DuckDB: whole numbers compare faster than texts, so nodes are numbered in the order of their text. #}
{% macro duckdb__component_ctes(links) -%}
nodes as materialized (

  select node, row_number() over (order by node) as id
  from (select a as node from {{ links }} union select b from {{ links }})

),

edges as materialized (

  select distinct first_end.id as a, second_end.id as b
  from (select a, b from {{ links }} union all select b, a from {{ links }}) as both_ways
  inner join nodes as first_end on first_end.node = both_ways.a
  inner join nodes as second_end on second_end.node = both_ways.b

),

rounds (kind, a, b) as (

  select 'edge', a, b from edges
  union all
  (
    with current_edges as materialized (
      select a, b from rounds where kind = 'edge'
    ),
    pointers as materialized (
      select a as node, least(a, min(b)) as parent from current_edges group by a
    ),
    leaps as materialized (
      select pointers.node, further.parent
      from pointers
      inner join pointers as further on further.node = pointers.parent
    ),
    -- One end at a time: as one join, the planner may compare all pairs of leaps first.
    half_moved as materialized (
      select leaps.parent as a, current_edges.b
      from current_edges
      inner join leaps on leaps.node = current_edges.a
    ),
    moved as materialized (
      select half_moved.a, leaps.parent as b
      from half_moved
      inner join leaps on leaps.node = half_moved.b
    )
    select 'pointer', node, parent from leaps where node <> parent
    union all
    select distinct 'edge', a, b from moved where a <> b
  )

),

all_pointers as materialized (

  select distinct a as node, b as parent from rounds where kind = 'pointer'

),

ancestors (node, ancestor) as (

  select node, parent from all_pointers
  union
  select ancestors.node, all_pointers.parent
  from ancestors
  inner join all_pointers on all_pointers.node = ancestors.ancestor

),

roots as (

  select nodes.node, coalesce(min(ancestors.ancestor), nodes.id) as root_id
  from nodes
  left join ancestors on ancestors.node = nodes.id
  group by nodes.node, nodes.id

),

components as (

  select roots.node, nodes.node as root
  from roots
  inner join nodes on nodes.id = roots.root_id

)
{%- endmacro %}
