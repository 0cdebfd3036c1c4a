{# Engine-specific list handling. #}

{# Aggregate: the distinct non-null values as a sorted list; an empty list when there are none. #}
{% macro sorted_list(expression, condition='true') -%}
  {{ return(adapter.dispatch('sorted_list')(expression, condition)) }}
{%- endmacro %}

{# DuckDB: list() of no rows is null, hence the coalesce. #}
{% macro duckdb__sorted_list(expression, condition) -%}
  coalesce(list_sort(list(distinct {{ expression }}) filter (where ({{ condition }}) and {{ expression }} is not null)), cast([] as varchar[]))
{%- endmacro %}

{# An empty list of texts. #}
{% macro empty_list() -%}
  {{ return(adapter.dispatch('empty_list')()) }}
{%- endmacro %}

{# DuckDB: the cast gives the empty list an element type. #}
{% macro duckdb__empty_list() -%}
  cast([] as varchar[])
{%- endmacro %}

{# True when a comma-separated text has one of the words of a list variable, blanks and case ignored. #}
{% macro has_any_tag(column, list_variable) -%}
  {{ return(adapter.dispatch('has_any_tag')(column, list_variable)) }}
{%- endmacro %}

{# DuckDB: split, trim and compare as lists, so that `vip` never matches `vip-wholesale`. #}
{% macro duckdb__has_any_tag(column, list_variable) -%}
  coalesce(list_has_any(list_transform(string_split(lower({{ column }}), ','), tag -> trim(tag)), [{{ list_var(list_variable) }}]), false)
{%- endmacro %}

{# Several columns as one value, and back: for an aggregate that must take them from one row. #}
{% macro packed(columns) -%}
  {{ return(adapter.dispatch('packed')(columns)) }}
{%- endmacro %}

{# DuckDB: a struct. #}
{% macro duckdb__packed(columns) -%}
  struct_pack({% for column in columns %}{{ column }} := {{ column }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro unpacked(column) -%}
  {{ return(adapter.dispatch('unpacked')(column)) }}
{%- endmacro %}

{% macro duckdb__unpacked(column) -%}
  unnest({{ column }})
{%- endmacro %}
