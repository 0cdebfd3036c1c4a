{#
  The only way models read an enumerated or numeric variable: a value outside its domain stops the run
  with the variable's name, instead of silently giving other segments.
#}

{% macro enum_var(name) -%}
  {%- set allowed = {
    'thresholds': ['fixed', 'percentile'],
    'frequency_window': ['lifetime', '365d'],
    'order_grain': ['order', 'customer_day'],
    'refunded_orders': ['exclude', 'count'],
    'recurring_orders': ['count', 'first_only', 'exclude'],
    'spend_tier_basis': ['average_order_value', 'last_order'],
    'week_start': ['monday', 'sunday'],
    'abandoned_cart_offers_count': ['grants', 'redemptions'],
  }[name] -%}
  {%- set value = var(name) -%}
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

{% macro whole_number_var(name, least=1) -%}
  {%- set value = var(name) -%}
  {%- if value is not integer or value is boolean or value < least -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not allowed; use a whole number of at least " ~ least) }}
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

{% macro signed_number_var(name) -%}
  {%- set value = var(name) -%}
  {%- if value is not number or value is boolean -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not allowed; use a number") }}
  {%- endif -%}
  {{- return(value) -}}
{%- endmacro %}

{% macro share_var(name) -%}
  {%- set value = var(name) -%}
  {%- if value is not number or value is boolean or value <= 0 or value > 1 -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not allowed; use a number above 0 and up to 1, such as 0.8") }}
  {%- endif -%}
  {%- if name == 'lapse_pct' and value <= var('churn_pct') -%}
    {{ exceptions.raise_compiler_error("variable lapse_pct: must be larger than churn_pct") }}
  {%- endif -%}
  {{- return(value) -}}
{%- endmacro %}

{# The name of a code family of seeds/reference/code_families.csv, as SQL text without quotes. #}
{% macro family_var(name) -%}
  {%- set value = var(name) -%}
  {%- if not value or not modules.re.fullmatch('[a-z][a-z0-9_]*', value | string) -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not a family; use one of seeds/reference/code_families.csv") }}
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

{# A day as a SQL date, or null. #}
{% macro day_var(name) -%}
  {%- set value = var(name) -%}
  {%- if value is not none and not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}', value | string) -%}
    {{ exceptions.raise_compiler_error("variable " ~ name ~ ": '" ~ value ~ "' is not a date; use YYYY-MM-DD, or null") }}
  {%- endif -%}
  cast({{ "'" ~ value ~ "'" if value is not none else 'null' }} as date)
{%- endmacro %}

{# What each sign of coupon abuse adds to the score. #}
{% macro abuse_weights() -%}
  {%- set names = ['repeated_code', 'shared_mailbox', 'shared_phone', 'shared_household', 'shared_device', 'shared_code', 'returns_after_code', 'mostly_codes'] -%}
  {%- set weights = var('abuse_weights') -%}
  {%- for name in weights if name not in names -%}
    {{ exceptions.raise_compiler_error("variable abuse_weights: there is no sign '" ~ name ~ "'; use: " ~ names | join(', ')) }}
  {%- endfor -%}
  {%- for name in names -%}
    {%- if weights.get(name) is not integer or weights.get(name) is boolean or not 0 <= weights.get(name) <= 100 -%}
      {{ exceptions.raise_compiler_error("variable abuse_weights: '" ~ name ~ "' needs a whole number from 0 to 100") }}
    {%- endif -%}
  {%- endfor -%}
  {{- return(weights) -}}
{%- endmacro %}
