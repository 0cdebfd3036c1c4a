{{ config(meta={'dagster': {'ref': {'name': 'int_identity_components'}}}) }}
-- depends_on: {{ ref('int_identity_components') }}
-- Three chains of a hundred links between names in scrambled order, the second one closed to a ring, and a
-- star: every node must get the smallest name of its own figure.
with recursive steps as (

  select figure, step
  from (select unnest(range(4)) as figure)
  cross join (select unnest(range(101)) as step)

),

named as (

  select figure, step, md5(figure || '-' || step) as name
  from steps

),

links as materialized (

  select here.name as a, further.name as b
  from named as here
  inner join named as further
    on further.figure = here.figure
    and (
      (here.figure < 3 and further.step = here.step + 1)
      or (here.figure = 1 and here.step = 100 and further.step = 0)
      or (here.figure = 3 and here.step = 0 and further.step > 0)
    )

),

{{ component_ctes('links') }},

expected as (

  select name, min(name) over (partition by figure) as root
  from named

)

select expected.name, expected.root, components.root as found
from expected
left join components on components.node = expected.name
where components.root is distinct from expected.root
