-- The duty officers' book, and what it lets the bus write beside it. The same on PostgreSQL, MariaDB and SQLite.

CREATE TABLE kejadian (
    id INTEGER NOT NULL PRIMARY KEY, nomor VARCHAR(100) NOT NULL UNIQUE, jenis VARCHAR(40) NOT NULL, waktu VARCHAR(30) NOT NULL,
    kode_wilayah VARCHAR(13), lokasi VARCHAR(500), uraian VARCHAR(2000), tingkat VARCHAR(10), terdampak INTEGER, mengungsi INTEGER,
    luka INTEGER, meninggal INTEGER, sumber VARCHAR(150), status VARCHAR(10) NOT NULL DEFAULT 'tercatat', alasan_batal VARCHAR(500)
);

CREATE TABLE bus_peringatan (
    event_id VARCHAR(32) NOT NULL PRIMARY KEY, sensor VARCHAR(64) NOT NULL, jenis VARCHAR(40) NOT NULL, tingkat VARCHAR(10) NOT NULL,
    nilai NUMERIC(12, 3), satuan VARCHAR(20), waktu VARCHAR(40) NOT NULL, lokasi VARCHAR(500)
);

-- Alarms that were none: the officers' own entries.
CREATE TABLE peringatan_batal (
    event_id VARCHAR(32) NOT NULL PRIMARY KEY, sensor VARCHAR(64) NOT NULL, alasan VARCHAR(500) NOT NULL
);

CREATE VIEW siaga_sekarang AS
SELECT p.sensor, p.lokasi, p.tingkat, p.nilai, p.satuan, p.waktu
FROM bus_peringatan p
WHERE p.event_id NOT IN (SELECT event_id FROM peringatan_batal)
  AND NOT EXISTS (SELECT 1 FROM bus_peringatan n WHERE n.sensor = p.sensor AND n.waktu > p.waktu
                  AND n.event_id NOT IN (SELECT event_id FROM peringatan_batal));
