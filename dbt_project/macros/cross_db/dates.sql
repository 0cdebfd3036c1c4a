{# Engine-specific date arithmetic. Every date in this project is a shop-local calendar day. #}

{# The shop-local day of an instant (timestamp with time zone). Follows daylight saving, because the zone is a name. #}
{% macro shop_date(instant) -%}
  {{ return(adapter.dispatch('shop_date')(instant)) }}
{%- endmacro %}

{# DuckDB: `timestamptz at time zone` gives the local wall-clock timestamp. #}
{% macro duckdb__shop_date(instant) -%}
  cast({{ instant }} at time zone '{{ dbt.escape_single_quotes(var("shop_timezone")) }}' as date)
{%- endmacro %}

{# The instant at which the day after the as-of date begins: what is known is before it. #}
{% macro end_of_as_of_date() -%}
  {{ return(adapter.dispatch('end_of_as_of_date')()) }}
{%- endmacro %}

{# DuckDB: a constant, where the day of every row would have to be worked out to be compared with the date. #}
{% macro duckdb__end_of_as_of_date() -%}
  cast({{ as_of_date() }} + 1 as timestamp) at time zone '{{ dbt.escape_single_quotes(var("shop_timezone")) }}'
{%- endmacro %}

{# A date plus a whole number of days, as a date. #}
{% macro add_days(day, days) -%}
  {{ return(adapter.dispatch('add_days')(day, days)) }}
{%- endmacro %}

{# DuckDB: date + integer is a date (date + interval would be a timestamp). #}
{% macro duckdb__add_days(day, days) -%}
  ({{ day }} + {{ days }})
{%- endmacro %}

{# Whole days from one date to another. #}
{% macro days_between(first_day, last_day) -%}
  {{ return(adapter.dispatch('days_between')(first_day, last_day)) }}
{%- endmacro %}

{# DuckDB: date - date is a number of days. #}
{% macro duckdb__days_between(first_day, last_day) -%}
  ({{ last_day }} - {{ first_day }})
{%- endmacro %}

{# First day of the calendar month after the month of a date. #}
{% macro next_month(day) -%}
  {{ return(adapter.dispatch('next_month')(day)) }}
{%- endmacro %}

{# DuckDB: date + interval is a timestamp, hence the cast back. #}
{% macro duckdb__next_month(day) -%}
  cast(date_trunc('month', {{ day }}) + interval 1 month as date)
{%- endmacro %}

{# All days from one date to another, both included, as rows: use in the select list. #}
{% macro each_day(first_day, last_day) -%}
  {{ return(adapter.dispatch('each_day')(first_day, last_day)) }}
{%- endmacro %}

{# DuckDB: generate_series over dates gives a list of timestamps. #}
{% macro duckdb__each_day(first_day, last_day) -%}
  cast(unnest(generate_series({{ first_day }}, {{ last_day }}, interval 1 day)) as date)
{%- endmacro %}

{# Window frame: the 365 days that end at the current row's day. Use after `order by <date>`. #}
{% macro frame_365_days() -%}
  {{ return(adapter.dispatch('frame_365_days')()) }}
{%- endmacro %}

{# DuckDB: range frames over dates take an interval; both ends are included, so 364 days before. #}
{% macro duckdb__frame_365_days() -%}
  range between interval 364 days preceding and current row
{%- endmacro %}

{# An instant before all history, for sightings without a date ("known since ever"). #}
{% macro beginning_of_time() -%}
  {{ return(adapter.dispatch('beginning_of_time')()) }}
{%- endmacro %}

{# DuckDB: an ordinary instant rather than -infinity, which not every client can read. #}
{% macro duckdb__beginning_of_time() -%}
  cast('0001-01-01 00:00:00+00' as timestamptz)
{%- endmacro %}

{# The earliest of several dates; a null means "never" and loses against any date. #}
{% macro earliest_day(days) -%}
  {{ return(adapter.dispatch('earliest_day')(days)) }}
{%- endmacro %}

{# DuckDB: least() skips nulls, which is exactly what is wanted here (Spark does too, Snowflake does not). #}
{% macro duckdb__earliest_day(days) -%}
  least({{ days | join(', ') }})
{%- endmacro %}

{# A day after all history, to compare with where a null means "never". #}
{% macro end_of_time() -%}
  cast('9999-12-31' as date)
{%- endmacro %}

{# First day of the calendar month of a date. #}
{% macro first_of_month(day) -%}
  {{ return(adapter.dispatch('first_of_month')(day)) }}
{%- endmacro %}

{# DuckDB: date_trunc of a date is a date. #}
{% macro duckdb__first_of_month(day) -%}
  cast(date_trunc('month', {{ day }}) as date)
{%- endmacro %}

{# First day of the week after the week of a date; weeks begin on the day of week_start. #}
{% macro next_week(day) -%}
  {{ return(adapter.dispatch('next_week')(day)) }}
{%- endmacro %}

{# DuckDB: date_trunc('week') is Monday; a Sunday belongs to the week that begins with it. #}
{% macro duckdb__next_week(day) -%}
  {%- set shift = 1 if enum_var('week_start') == 'sunday' else 0 -%}
  (cast(date_trunc('week', {{ day }} + {{ shift }}) as date) + {{ 7 - shift }})
{%- endmacro %}

{# The first day that begins when so many hours after an instant have passed, at the shop's midnight. #}
{% macro day_after(instant, hours) -%}
  {{ return(adapter.dispatch('day_after')(instant, hours)) }}
{%- endmacro %}

{# DuckDB: a microsecond less, because what falls on midnight exactly has passed when the day begins. #}
{% macro duckdb__day_after(instant, hours) -%}
  ({{ shop_date("(" ~ instant ~ " + interval '" ~ hours ~ " hours' - interval '1 microsecond')") }} + 1)
{%- endmacro %}
