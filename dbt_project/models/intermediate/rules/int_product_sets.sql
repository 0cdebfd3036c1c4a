-- The products of every set of seeds/reference/product_sets.csv that this shop ever sold.
with rows_given as (

  {{ reference_rows('product_sets', ['product_set', 'field', 'value']) }}

),

judged as (

  select
    *,
    coalesce(
      {{ segment_name_problem('product_set') }},
      case
        when field is null or field not in ('sku', 'product_id', 'category', 'vendor')
          then 'field "' || coalesce(field, '') || '" is not one of: sku, product_id, category, vendor'
      end,
      {{ missing_problem('value') }}
    ) as problem
  from rows_given

),

products as (

  select * from {{ ref('int_products') }}

),

named as (

  select product, 'sku' as field, sku as value from products
  union all
  select product, 'product_id' as field, product_id as value from products
  union all
  select product, 'category' as field, category as value from products
  union all
  select product, 'vendor' as field, vendor as value from products

)

-- A set without products stays, with an empty product: it is known, the shop just never sold any of it.
select distinct
  {{ unless_wrong('judged.product_set', 'judged.problem', 'product_sets') }} as product_set,
  judged.field,
  named.product
from judged
left join named
  on named.field = judged.field and lower(named.value) = lower(judged.value)
