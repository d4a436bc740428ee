-- The hour in which a service's traffic begins. Filled in: `service`, its
-- number; `source`, the hours.
SELECT epoch_ms(min(bucket)) FROM ({source}) WHERE service_no = {service};
