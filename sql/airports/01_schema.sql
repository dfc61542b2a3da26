-- The operational database of an airline: what is sold, who flies, what the aircraft look like.
-- May be run again at any time: it makes what is missing and changes nothing else.

CREATE SCHEMA IF NOT EXISTS bookings;
COMMENT ON SCHEMA bookings IS 'Airline: airports, aircraft, flights, and what passengers booked';

CREATE TABLE IF NOT EXISTS bookings.airports (
    airport_code char(3)          PRIMARY KEY,
    airport_name text             NOT NULL,
    city         text             NOT NULL,
    longitude    double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    latitude     double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    timezone     text             NOT NULL
);
COMMENT ON TABLE bookings.airports IS 'Airports by their IATA code';

CREATE TABLE IF NOT EXISTS bookings.aircrafts (
    aircraft_code char(3) PRIMARY KEY,
    model         text    NOT NULL,
    range         integer NOT NULL CHECK (range > 0)
);
COMMENT ON TABLE bookings.aircrafts IS 'Aircraft types by their IATA code';
COMMENT ON COLUMN bookings.aircrafts.range IS 'Kilometres without a stop';

CREATE TABLE IF NOT EXISTS bookings.seats (
    aircraft_code   char(3)     NOT NULL REFERENCES bookings.aircrafts ON UPDATE CASCADE ON DELETE CASCADE,
    seat_no         varchar(4)  NOT NULL,
    fare_conditions varchar(10) NOT NULL CHECK (fare_conditions IN ('Economy', 'Comfort', 'Business')),
    PRIMARY KEY (aircraft_code, seat_no)
);
COMMENT ON TABLE bookings.seats IS 'The seats of each aircraft type';

CREATE TABLE IF NOT EXISTS bookings.flights (
    flight_id           bigint      PRIMARY KEY,
    flight_no           char(6)     NOT NULL,
    scheduled_departure timestamptz NOT NULL,
    scheduled_arrival   timestamptz NOT NULL CHECK (scheduled_arrival > scheduled_departure),
    departure_airport   char(3)     NOT NULL REFERENCES bookings.airports ON UPDATE CASCADE,
    arrival_airport     char(3)     NOT NULL REFERENCES bookings.airports ON UPDATE CASCADE,
    status              text        NOT NULL
        CHECK (status IN ('Scheduled', 'On Time', 'Delayed', 'Boarding', 'Departed', 'Arrived', 'Cancelled')),
    aircraft_code       char(3)     NOT NULL REFERENCES bookings.aircrafts ON UPDATE CASCADE,
    actual_departure    timestamptz,
    actual_arrival      timestamptz CHECK (actual_arrival > actual_departure)
);
COMMENT ON TABLE bookings.flights IS 'Flights as planned and as flown';

CREATE TABLE IF NOT EXISTS bookings.bookings (
    book_ref     char(6)       PRIMARY KEY,
    book_date    timestamptz   NOT NULL,
    total_amount numeric(10,2) NOT NULL CHECK (total_amount >= 0)
);
COMMENT ON TABLE bookings.bookings IS 'Bookings: one payment for one or more tickets';

CREATE TABLE IF NOT EXISTS bookings.tickets (
    ticket_no      char(13)    PRIMARY KEY,
    book_ref       char(6)     NOT NULL REFERENCES bookings.bookings ON UPDATE CASCADE,
    passenger_id   varchar(20) NOT NULL,
    passenger_name text        NOT NULL,
    contact_data   jsonb
);
COMMENT ON TABLE bookings.tickets IS 'Tickets: one passenger of a booking, for one or more flights';
-- long ones go out of line uncompressed: an update of another column leaves them alone, and the change event then lacks them
ALTER TABLE bookings.tickets ALTER COLUMN contact_data SET STORAGE EXTERNAL;

CREATE TABLE IF NOT EXISTS bookings.ticket_flights (
    ticket_no       char(13)      NOT NULL REFERENCES bookings.tickets ON UPDATE CASCADE,
    flight_id       bigint        NOT NULL REFERENCES bookings.flights ON UPDATE CASCADE,
    fare_conditions varchar(10)   NOT NULL CHECK (fare_conditions IN ('Economy', 'Comfort', 'Business')),
    amount          numeric(10,2) NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (ticket_no, flight_id)
);
COMMENT ON TABLE bookings.ticket_flights IS 'Which flights a ticket is for, and at what price';
CREATE INDEX IF NOT EXISTS ticket_flights_flight_id ON bookings.ticket_flights (flight_id);

CREATE TABLE IF NOT EXISTS bookings.boarding_passes (
    ticket_no   char(13)   NOT NULL,
    flight_id   bigint     NOT NULL,
    boarding_no integer    NOT NULL,
    seat_no     varchar(4) NOT NULL,
    PRIMARY KEY (ticket_no, flight_id),
    FOREIGN KEY (ticket_no, flight_id) REFERENCES bookings.ticket_flights ON UPDATE CASCADE,
    UNIQUE (flight_id, boarding_no),
    UNIQUE (flight_id, seat_no)
);
COMMENT ON TABLE bookings.boarding_passes IS 'Who has checked in, and where they sit';
CREATE INDEX IF NOT EXISTS tickets_book_ref ON bookings.tickets (book_ref);
