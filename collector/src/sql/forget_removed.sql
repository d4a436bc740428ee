DELETE FROM sample WHERE service_no NOT IN (SELECT service_no FROM service);
DELETE FROM five_minute_volume WHERE service_no NOT IN (SELECT service_no FROM service);
DELETE FROM hour_volume WHERE service_no NOT IN (SELECT service_no FROM service);
DELETE FROM interface_volume WHERE service_no NOT IN (SELECT service_no FROM service);
