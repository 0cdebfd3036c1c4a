-- seeds/reference/product_rules.csv: who bought X (and never Y, or at such a price, or within so many days).
with rows_given as (

  {{ reference_rows('product_rules', ['segment', 'title', 'bought_any_of', 'never_any_of', 'min_unit_price', 'within_days']) }}

),

product_sets as (

  select product_set, {{ sorted_list('field') }} as fields
  from {{ ref('int_product_sets') }}
  group by product_set

),

judged as (

  select
    rows_given.*,
    coalesce(bought.fields, {{ empty_list() }}) as bought_fields,
    coalesce(never.fields, {{ empty_list() }}) as never_fields,
    coalesce(
      {{ segment_name_problem('segment') }},
      {{ missing_problem('title') }},
      case
        when bought_any_of is null and min_unit_price is null
          then 'neither bought_any_of nor min_unit_price is given'
        when bought_any_of is not null and bought.product_set is null
          then 'there is no product set "' || bought_any_of || '"; sets are: ' || known.names
        when never_any_of is not null and never.product_set is null
          then 'there is no product set "' || never_any_of || '"; sets are: ' || known.names
      end,
      {{ amount_problem('min_unit_price') }},
      {{ whole_number_problem('within_days') }}
    ) as problem
  from rows_given
  left join product_sets as bought on bought.product_set = rows_given.bought_any_of
  left join product_sets as never on never.product_set = rows_given.never_any_of
  cross join (select coalesce(string_agg(product_set, ', ' order by product_set), 'none') as names from product_sets) as known

)

select
  line,
  {{ unless_wrong('segment', 'problem', 'product_rules') }} as segment,
  title,
  'Bought '
    || coalesce('something of the set ' || bought_any_of, 'an item')
    || coalesce(' at a price of at least ' || min_unit_price || ' apiece', '')
    || coalesce(' within the last ' || within_days || ' days', '')
    || coalesce(', and never anything of the set ' || never_any_of, '')
    || '. What was sent back whole does not count as bought.' as description,
  bought_any_of,
  never_any_of,
  {{ as_number('min_unit_price') }} as min_unit_price,
  {{ as_whole_number('within_days') }} as within_days,
  list_distinct(list_transform(list_concat(bought_fields, never_fields), field -> 'order_lines.' || field))
    || case when min_unit_price is null then {{ empty_list() }} else ['order_lines.unit_price'] end as requires
from judged
