-- The tax application's own bills, and what it lets the bus write beside them. Read by SQLite and by PostgreSQL. Of an object that is to be
-- registered the bus writes what its permit says, and the surveyors `nop`.

CREATE TABLE sppt (
    id INTEGER PRIMARY KEY, no_sppt TEXT NOT NULL UNIQUE, nop TEXT NOT NULL, tahun INTEGER NOT NULL, pbb_terutang BIGINT NOT NULL,
    tanggal_terbit DATE NOT NULL, jatuh_tempo DATE, nik TEXT, kode_wilayah TEXT, status TEXT NOT NULL DEFAULT 'terbit', alasan_batal TEXT,
    diubah TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE calon_objek_pajak (
    nomor_izin TEXT PRIMARY KEY, jenis_izin TEXT NOT NULL, tanggal_terbit DATE NOT NULL, nib TEXT, kbli TEXT, nama_usaha TEXT,
    kode_wilayah TEXT, nop TEXT, event_id TEXT NOT NULL
);
CREATE TABLE bus_izin_dicabut (nomor_izin TEXT PRIMARY KEY, tanggal_dicabut DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_izin_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE bus_kematian (nik TEXT PRIMARY KEY, tanggal_meninggal DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_kematian_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE bus_pindah_keluar (nik TEXT PRIMARY KEY, tanggal_pindah DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_pindah_batal (membatalkan TEXT PRIMARY KEY, event_id TEXT NOT NULL);
CREATE TABLE bus_penerima (
    nik TEXT NOT NULL, program TEXT NOT NULL, status TEXT NOT NULL, sejak DATE, periode TEXT, event_id TEXT NOT NULL,
    PRIMARY KEY (nik, program)
);

CREATE TABLE bus_wilayah (
    kode_wilayah TEXT PRIMARY KEY, nama TEXT NOT NULL, tingkat TEXT NOT NULL, status TEXT, kode_pengganti TEXT, kode_bps TEXT,
    event_id TEXT NOT NULL
);

CREATE VIEW pendataan_objek AS
SELECT o.nomor_izin, o.jenis_izin, o.nama_usaha, o.kbli, o.kode_wilayah, o.nop,
       CASE WHEN o.nop IS NULL THEN 'perlu didata' WHEN o.berlaku THEN 'terdata' ELSE 'perlu ditinjau' END AS status
FROM (
    SELECT c.*,
           c.event_id NOT IN (SELECT membatalkan FROM bus_izin_batal)
           AND c.nomor_izin NOT IN (SELECT d.nomor_izin FROM bus_izin_dicabut d
                                    WHERE d.event_id NOT IN (SELECT membatalkan FROM bus_izin_batal)) AS berlaku
    FROM calon_objek_pajak c
) o
WHERE o.nop IS NOT NULL OR o.berlaku;

CREATE VIEW tagihan_almarhum AS
SELECT s.no_sppt, s.nop, s.tahun, s.nik, k.tanggal_meninggal
FROM sppt s JOIN bus_kematian k ON k.nik = s.nik
WHERE s.status = 'terbit' AND k.event_id NOT IN (SELECT membatalkan FROM bus_kematian_batal);

CREATE VIEW tagihan_pindah AS
SELECT s.no_sppt, s.nop, s.tahun, s.nik, k.tanggal_pindah
FROM sppt s JOIN bus_pindah_keluar k ON k.nik = s.nik
WHERE s.status = 'terbit' AND k.event_id NOT IN (SELECT membatalkan FROM bus_pindah_batal);

-- The first seven digits of a NOP are those of its district.
CREATE VIEW wilayah_objek AS
SELECT s.no_sppt, s.nop, w.kode_wilayah AS kode_kecamatan, w.nama AS kecamatan
FROM sppt s JOIN bus_wilayah w ON w.kode_bps = substr(s.nop, 1, 7)
WHERE coalesce(w.status, 'BERLAKU') = 'BERLAKU';
