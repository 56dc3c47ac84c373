with orders as (
  select unit, event_time, revenue
  from events join (select strand, max(unit) as unit from links group by strand) people using (strand)
  where name = 'Order Completed' and counts
), first as (
  select unit, min(event_time) as exposed_at, min(variant) as variant
  from exposures where experience = 'checkout'
  group by unit having min(variant) = max(variant)
), units as (
  select first.unit, first.variant, sum(revenue) as revenue
  from first left join orders on orders.unit = first.unit
    and event_time >= exposed_at and event_time < exposed_at + interval '7 days'
  group by first.unit, first.variant
)
select variant, count(*) as units, sum(revenue) as revenue,
       sum(revenue * revenue) as squares
from units group by variant order by variant
