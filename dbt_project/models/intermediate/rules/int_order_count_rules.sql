-- seeds/reference/order_count_rules.csv: customers with so many orders.
with rows_given as (

  {{ reference_rows('order_count_rules', ['segment', 'title', 'min_orders', 'max_orders']) }}

),

judged as (

  select
    *,
    coalesce(
      {{ segment_name_problem('segment') }},
      {{ missing_problem('title') }},
      {{ missing_problem('min_orders') }},
      {{ whole_number_problem('min_orders') }},
      {{ whole_number_problem('max_orders') }},
      case
        when {{ as_whole_number('max_orders') }} < {{ as_whole_number('min_orders') }}
          then 'max_orders ' || max_orders || ' is less than min_orders ' || min_orders
      end
    ) as problem
  from rows_given

)

select
  line,
  {{ unless_wrong('segment', 'problem', 'order_count_rules') }} as segment,
  title,
  'Placed at least ' || min_orders || coalesce(' and at most ' || max_orders, '') || ' orders so far.' as description,
  {{ as_whole_number('min_orders') }} as min_orders,
  {{ as_whole_number('max_orders') }} as max_orders
from judged
