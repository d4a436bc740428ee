-- The day of UTC on which each service's traffic begins. Filled in: `source`, the
-- days, of all services or some.
SELECT service_no, epoch_ms(min(bucket)) FROM ({source}) GROUP BY service_no;
