-- The complaint desk's application, as far as the demo needs it: complaints of citizens, news about them (and alarms) that came from the
-- bus, and the calls with which it tells its listeners of everything. `dicabut` has news that were withdrawn.

CREATE TABLE laporan (
    nomor TEXT PRIMARY KEY, kategori TEXT NOT NULL, judul TEXT NOT NULL, isi TEXT NOT NULL, opd_tujuan TEXT NOT NULL, lokasi TEXT,
    kode_wilayah TEXT, waktu TEXT NOT NULL
);
CREATE TABLE kabar (
    id TEXT PRIMARY KEY, kejadian TEXT NOT NULL, nomor TEXT NOT NULL, isi TEXT, waktu TEXT NOT NULL, event_id TEXT NOT NULL UNIQUE
);
CREATE TABLE dicabut (id TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE panggilan (nomor INTEGER PRIMARY KEY, isi TEXT NOT NULL, terjawab INTEGER NOT NULL DEFAULT 0);
