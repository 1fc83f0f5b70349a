-- The office's own tables, and what it lets the bus write. The same on MariaDB and SQLite. Times are local.

CREATE TABLE laporan (
    nomor VARCHAR(100) NOT NULL PRIMARY KEY, kategori VARCHAR(150) NOT NULL, judul VARCHAR(500) NOT NULL, isi TEXT NOT NULL,
    waktu_diterima DATETIME NOT NULL, lokasi VARCHAR(500), kode_wilayah VARCHAR(13), lintang NUMERIC(9, 6), bujur NUMERIC(9, 6),
    tenggat DATETIME, event_id CHAR(32) NOT NULL
);

CREATE TABLE tindak_lanjut (
    nomor_laporan VARCHAR(100) NOT NULL, urutan INTEGER NOT NULL, uraian TEXT NOT NULL, status VARCHAR(20), waktu DATETIME NOT NULL,
    PRIMARY KEY (nomor_laporan, urutan)
);

CREATE TABLE penyelesaian (
    nomor_laporan VARCHAR(100) NOT NULL PRIMARY KEY, jawaban TEXT NOT NULL, hasil VARCHAR(20), waktu DATETIME NOT NULL
);

CREATE TABLE bus_laporan_ditarik (membatalkan CHAR(32) NOT NULL PRIMARY KEY, event_id CHAR(32) NOT NULL);

CREATE VIEW laporan_terbuka AS
SELECT l.nomor, l.kategori, l.judul, l.lokasi, l.tenggat
FROM laporan l
WHERE NOT EXISTS (SELECT 1 FROM penyelesaian p WHERE p.nomor_laporan = l.nomor)
  AND NOT EXISTS (SELECT 1 FROM bus_laporan_ditarik d WHERE d.membatalkan = l.event_id);
