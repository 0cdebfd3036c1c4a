{#
  Common table expressions that end in `merged`: the periods of `relation` (segment, customer_key, entered_on,
  exited_on; none empty) with those of one segment and customer that overlap or touch made one. A period without
  end gets end_of_time().
#}
{% macro merged_period_ctes(relation) -%}
separated as (

  select
    *,
    -- Where no earlier period reaches this one, a new stay begins. A period without end reaches everything.
    coalesce(
      entered_on > max(coalesce(exited_on, {{ end_of_time() }})) over (
        partition by segment, customer_key
        order by entered_on, exited_on
        rows between unbounded preceding and 1 preceding
      ),
      true
    ) as begins_stay
  from {{ relation }}

),

stays as (

  select
    *,
    sum(case when begins_stay then 1 else 0 end) over (
      partition by segment, customer_key
      order by entered_on, exited_on
      rows between unbounded preceding and current row
    ) as stay
  from separated

),

merged as (

  select
    segment,
    customer_key,
    min(entered_on) as entered_on,
    max(coalesce(exited_on, {{ end_of_time() }})) as exited_on
  from stays
  group by segment, customer_key, stay

)
{%- endmacro %}
