-- How busy each airport is. May be run again at any time.

CREATE OR REPLACE VIEW bookings.airport_traffic AS
WITH flight_info AS (
    -- a passenger is a ticket for the flight; a cancelled flight has none and is none
    SELECT f.flight_id, f.departure_airport, f.arrival_airport, count(t.ticket_no) AS passengers
      FROM bookings.flights f
      LEFT JOIN bookings.ticket_flights t USING (flight_id)
     WHERE f.status <> 'Cancelled'
     GROUP BY f.flight_id
), departures AS (
    SELECT departure_airport AS airport_code, count(*) AS flights, sum(passengers)::bigint AS passengers
      FROM flight_info
     GROUP BY departure_airport
), arrivals AS (
    SELECT arrival_airport AS airport_code, count(*) AS flights, sum(passengers)::bigint AS passengers
      FROM flight_info
     GROUP BY arrival_airport
)
SELECT a.airport_code,
       a.airport_name,
       a.city,
       coalesce(d.flights, 0)    AS departures,
       coalesce(r.flights, 0)    AS arrivals,
       coalesce(d.passengers, 0) AS departing_passengers,
       coalesce(r.passengers, 0) AS arriving_passengers
  FROM bookings.airports a
  LEFT JOIN departures d USING (airport_code)
  LEFT JOIN arrivals r USING (airport_code);
COMMENT ON VIEW bookings.airport_traffic IS
    'Flights and their passengers by airport, cancelled flights left out; airports without flights show zeros';
GRANT SELECT ON bookings.airport_traffic TO airports_reader;
