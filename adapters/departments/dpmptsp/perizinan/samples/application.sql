-- The permit application's own table, and what it lets the bus write beside it. The same on PostgreSQL and SQLite. `status` is draf, terbit,
-- dicabut, habis (its term is over) or batal (issued by mistake); a draft has no date yet.

CREATE TABLE izin (
    id INTEGER PRIMARY KEY, nomor TEXT NOT NULL UNIQUE, jenis TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'terbit', nib TEXT, kbli TEXT,
    nik_pemohon TEXT, nama_pemohon TEXT, nama_usaha TEXT, alamat_usaha TEXT, kode_wilayah TEXT, tanggal_terbit DATE,
    berlaku_sampai DATE, tanggal_cabut DATE, alasan_cabut TEXT, sk_cabut TEXT
);

CREATE TABLE bus_kematian (nik TEXT PRIMARY KEY, tanggal_meninggal DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_kematian_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE bus_pembayaran (
    nop TEXT NOT NULL, tahun_pajak INTEGER NOT NULL, tanggal_bayar DATE NOT NULL, event_id TEXT NOT NULL, PRIMARY KEY (nop, tahun_pajak)
);

CREATE TABLE bus_permohonan (
    nomor_permohonan TEXT PRIMARY KEY, jenis_izin TEXT NOT NULL, tanggal DATE NOT NULL, jenis_permohonan TEXT, nomor_izin TEXT,
    nik_pemohon TEXT, nib TEXT, kbli TEXT, nama_usaha TEXT, kode_wilayah TEXT, event_id TEXT NOT NULL
);
CREATE TABLE bus_permohonan_ditarik (membatalkan TEXT PRIMARY KEY, alasan TEXT NOT NULL, event_id TEXT NOT NULL);

CREATE VIEW permohonan_terbuka AS
SELECT p.nomor_permohonan, p.jenis_izin, p.tanggal, p.nomor_izin, p.nib
FROM bus_permohonan p
WHERE p.event_id NOT IN (SELECT membatalkan FROM bus_permohonan_ditarik);

CREATE VIEW pemegang_meninggal AS
SELECT i.nomor, i.nik_pemohon AS nik, k.tanggal_meninggal
FROM izin i JOIN bus_kematian k ON k.nik = i.nik_pemohon
WHERE i.status = 'terbit' AND k.event_id NOT IN (SELECT membatalkan FROM bus_kematian_batal);
