{#
  The only way models read an enumerated or numeric variable: a value outside its domain stops the run
  with the variable's name, instead of silently giving other segments.
#}

{% macro enum_var(name) -%}
  {%- set allowed = {
    'thresholds': ['fixed'],
    'frequency_window': ['lifetime', '365d'],
    'order_grain': ['order', 'customer_day'],
    'refunded_orders': ['exclude', 'count'],
    'recurring_orders': ['count', 'first_only', 'exclude'],
  }[name] -%}
  {%- set value = var(name) -%}
  {%- if name == 'thresholds' and value == 'percentile' -%}
    {{ exceptions.raise_compiler_error("variable thresholds: 'percentile' is not available yet; use 'fixed'") }}
  {%- endif -%}
  {%- if value not in allowed -%}
    {{ exceptions.raise_compiler_error(
      "variable " ~ name ~ ": '" ~ value ~ "' is not allowed; use one of: " ~ allowed | join(', ')
    ) }}
  {%- endif -%}
  {{- return(value) -}}
{%- endmacro %}

{% macro bool_var(name) -%}
  {%- set value = var(name) -%}
  {%- if value is not boolean -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not allowed; use one of: true, false") }}
  {%- endif -%}
  {{- return(value) -}}
{%- endmacro %}

{% macro whole_number_var(name) -%}
  {%- set value = var(name) -%}
  {%- if value is not integer or value is boolean or value < 1 -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not allowed; use a whole number of at least 1") }}
  {%- endif -%}
  {%- if name == 'lapse_days' and value <= var('active_days') -%}
    {{ exceptions.raise_compiler_error("variable lapse_days: must be larger than active_days") }}
  {%- endif -%}
  {{- return(value) -}}
{%- endmacro %}

{% macro number_var(name) -%}
  {%- set value = var(name) -%}
  {%- if value is not number or value is boolean or value < 0 -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not allowed; use a number of at least 0, or null") }}
  {%- endif -%}
  {{- return(value) -}}
{%- endmacro %}

{# The items of a list variable as lower-case SQL literals, separated by commas; a null when it is empty, which equals nothing. #}
{% macro list_var(name) -%}
  {%- set value = var(name) -%}
  {%- if value is string or value is not sequence -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": must be a list") }}
  {%- endif -%}
  {%- if not value -%}
    cast(null as {{ dbt.type_string() }})
  {%- endif -%}
  {%- for item in value -%}
    {{ dbt.string_literal(dbt.escape_single_quotes(item | string | lower | trim)) }}{{ ', ' if not loop.last }}
  {%- endfor -%}
{%- endmacro %}

{# The as-of date as a SQL date. Needed only when something runs, so that `dbt parse` and `dbt ls` work without it. #}
{% macro as_of_date() -%}
  {%- set value = var('as_of', none) -%}
  {%- if value is none and execute -%}
    {{ exceptions.raise_compiler_error("variable as_of: give the as-of date, e.g. --vars '{as_of: 2026-11-21}'") }}
  {%- endif -%}
  {%- if value is not none and not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}', value | string) -%}
    {{ exceptions.raise_compiler_error("variable as_of: '" ~ value ~ "' is not a date; use YYYY-MM-DD") }}
  {%- endif -%}
  cast({{ "'" ~ value ~ "'" if value is not none else 'null' }} as date)
{%- endmacro %}
