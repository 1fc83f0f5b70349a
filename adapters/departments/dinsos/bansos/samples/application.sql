-- The aid application's own tables, and what it lets the bus write beside it. `dihentikan_oleh` is the event that stopped an aid.

CREATE TABLE penerima (
    id INTEGER PRIMARY KEY, nik TEXT NOT NULL, nama TEXT NOT NULL, program TEXT NOT NULL, periode TEXT NOT NULL,
    tanggal_ditetapkan DATE NOT NULL, status TEXT NOT NULL DEFAULT 'aktif', tanggal_berhenti DATE, dihentikan_oleh TEXT, event_id TEXT,
    UNIQUE (nik, program)
);

CREATE TABLE penyaluran (
    id INTEGER PRIMARY KEY, nik TEXT NOT NULL, program TEXT NOT NULL, periode TEXT NOT NULL, tanggal DATE NOT NULL, bentuk TEXT, nominal INTEGER,
    barang TEXT, penyalur TEXT, no_bukti TEXT, status TEXT NOT NULL DEFAULT 'disalurkan', alasan TEXT
);

CREATE TABLE bus_kematian_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE bus_penduduk (nik TEXT PRIMARY KEY, nama TEXT NOT NULL, status TEXT, kode_wilayah TEXT, event_id TEXT NOT NULL);
CREATE TABLE bus_kelahiran (nik TEXT PRIMARY KEY, tanggal_lahir DATE NOT NULL, no_kk TEXT, event_id TEXT NOT NULL);
CREATE TABLE bus_kelahiran_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE bus_keluarga (no_kk TEXT PRIMARY KEY, jumlah_anggota INTEGER, kode_wilayah TEXT, event_id TEXT NOT NULL);
CREATE TABLE bus_pindah (nik TEXT PRIMARY KEY, tanggal_pindah DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_pindah_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE bus_kedatangan (nik TEXT PRIMARY KEY, tanggal_datang DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_kedatangan_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);

-- The clerks' lists: children who were born, who has come with aid from elsewhere, perhaps, and recipients whose aid is to be handed over.
CREATE VIEW anak_usia_dini AS
SELECT nik, tanggal_lahir, no_kk FROM bus_kelahiran WHERE event_id NOT IN (SELECT membatalkan FROM bus_kelahiran_batal);

CREATE VIEW pendatang AS
SELECT nik, tanggal_datang FROM bus_kedatangan WHERE event_id NOT IN (SELECT membatalkan FROM bus_kedatangan_batal);

CREATE VIEW penerima_pindah AS
SELECT p.nik, p.program, p.periode, k.tanggal_pindah
FROM penerima p JOIN bus_pindah k ON k.nik = p.nik
WHERE p.status = 'aktif' AND k.event_id NOT IN (SELECT membatalkan FROM bus_pindah_batal);
