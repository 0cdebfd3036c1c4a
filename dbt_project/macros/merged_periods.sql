{#
  Common table expressions that end in `merged`: the periods of `relation` (segment, customer_key, entered_on,
  exited_on; none empty) with those of one segment and customer that overlap or touch made one. A period without
  end gets end_of_time().

  A stay begins where no earlier period reaches, and ends where the earlier ones reached when the next stay begins; so
  the rows are sorted once and nothing is grouped.
#}
{% macro merged_period_ctes(relation) -%}
reached as (

  select
    segment,
    customer_key,
    entered_on,
    max(coalesce(exited_on, {{ end_of_time() }})) over (
      partition by segment, customer_key
      order by entered_on
      rows between unbounded preceding and 1 preceding
    ) as reached_before,
    max(coalesce(exited_on, {{ end_of_time() }})) over (partition by segment, customer_key) as reached_at_last
  from {{ relation }}

),

begins as (

  select *
  from reached
  where reached_before is null or entered_on > reached_before

),

merged as (

  select
    segment,
    customer_key,
    entered_on,
    coalesce(
      lead(reached_before) over (partition by segment, customer_key order by entered_on), reached_at_last
    ) as exited_on
  from begins

)
{%- endmacro %}
