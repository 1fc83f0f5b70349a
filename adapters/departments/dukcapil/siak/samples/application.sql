-- The tables of OpenSID that the contract reads, with the columns it needs, in SQLite. Names, codes and unique keys are OpenSID's.
-- As in the original, log_penduduk.updated_at moves with every change and tweb_penduduk.updated_at only where the application
-- sets it. Times are local (Asia/Jakarta); nik is a decimal there and here.

-- One row per kelurahan; an office of its own has one, the city's registry all 46, named as `dusun` names them.
CREATE TABLE config (id INTEGER PRIMARY KEY, nama_desa TEXT NOT NULL, kode_desa TEXT NOT NULL);
CREATE TABLE ref_peristiwa (id INTEGER PRIMARY KEY, nama TEXT NOT NULL);
CREATE TABLE ref_pindah (id INTEGER PRIMARY KEY, nama TEXT NOT NULL);
CREATE TABLE tweb_status_dasar (id INTEGER PRIMARY KEY, nama TEXT);
CREATE TABLE tweb_penduduk_sex (id INTEGER PRIMARY KEY, nama TEXT);
CREATE TABLE tweb_penduduk_agama (id INTEGER PRIMARY KEY, nama TEXT NOT NULL);
CREATE TABLE tweb_penduduk_kawin (id INTEGER PRIMARY KEY, nama TEXT NOT NULL);
CREATE TABLE tweb_penduduk_hubungan (id INTEGER PRIMARY KEY, nama TEXT NOT NULL);
CREATE TABLE tweb_penduduk_pekerjaan (id INTEGER PRIMARY KEY, nama TEXT);

CREATE TABLE tweb_wil_clusterdesa (
    id INTEGER PRIMARY KEY, rt TEXT NOT NULL DEFAULT '0', rw TEXT NOT NULL DEFAULT '0', dusun TEXT NOT NULL DEFAULT '0',
    UNIQUE (rt, rw, dusun)
);

CREATE TABLE tweb_keluarga (
    id INTEGER PRIMARY KEY, no_kk TEXT, nik_kepala TEXT, alamat TEXT, id_cluster INTEGER,
    updated_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours'))
);

CREATE TABLE tweb_penduduk (
    id INTEGER PRIMARY KEY, nama TEXT NOT NULL, nik DECIMAL(16, 0) NOT NULL, id_kk INTEGER DEFAULT 0,
    kk_level INTEGER NOT NULL DEFAULT 0, sex INTEGER, tempatlahir TEXT, tanggallahir DATE, agama_id INTEGER, pekerjaan_id INTEGER,
    status_kawin INTEGER, warganegara_id INTEGER NOT NULL DEFAULT 1, ayah_nik TEXT, ibu_nik TEXT, waktu_lahir TEXT, akta_lahir TEXT,
    id_cluster INTEGER NOT NULL, alamat_sebelumnya TEXT, alamat_sekarang TEXT, status_dasar INTEGER NOT NULL DEFAULT 1,
    created_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours')),
    updated_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours'))
);
CREATE INDEX penduduk_diubah ON tweb_penduduk (updated_at);

CREATE TABLE log_penduduk (
    id INTEGER PRIMARY KEY, id_pend INTEGER NOT NULL, kode_peristiwa INTEGER, meninggal_di TEXT, alamat_tujuan TEXT,
    tgl_lapor TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours')),
    tgl_peristiwa DATETIME DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours')),
    catatan TEXT, no_kk DECIMAL(16, 0), nama_kk TEXT, ref_pindah INTEGER DEFAULT 1 REFERENCES ref_pindah (id),
    created_at TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours')),
    updated_at TIMESTAMP DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours')),
    maksud_tujuan_kedatangan TEXT,
    UNIQUE (id_pend, kode_peristiwa, tgl_peristiwa)
);
CREATE INDEX log_diubah ON log_penduduk (updated_at);
CREATE TRIGGER log_penduduk_on_update AFTER UPDATE ON log_penduduk WHEN new.updated_at IS old.updated_at
BEGIN
    UPDATE log_penduduk SET updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours') WHERE id = new.id;
END;

INSERT INTO ref_peristiwa VALUES (1, 'Lahir'), (2, 'Mati'), (3, 'Pindah Keluar'), (4, 'Hilang'), (5, 'Pindah Masuk'), (6, 'Pergi');
INSERT INTO ref_pindah VALUES (1, 'Pindah keluar Desa/Kelurahan'), (2, 'Pindah keluar Kecamatan'),
    (3, 'Pindah keluar Kabupaten/Kota'), (4, 'Pindah keluar Provinsi');
INSERT INTO tweb_status_dasar VALUES (1, 'HIDUP'), (2, 'MATI'), (3, 'PINDAH'), (4, 'HILANG'), (6, 'PERGI'), (9, 'TIDAK VALID');
INSERT INTO tweb_penduduk_sex VALUES (1, 'LAKI-LAKI'), (2, 'PEREMPUAN');
INSERT INTO tweb_penduduk_agama VALUES (1, 'ISLAM'), (2, 'KRISTEN'), (3, 'KATHOLIK'), (4, 'HINDU'), (5, 'BUDHA'), (6, 'KHONGHUCU'),
    (7, 'Kepercayaan Terhadap Tuhan YME / Lainnya');
INSERT INTO tweb_penduduk_kawin VALUES (1, 'BELUM KAWIN'), (2, 'KAWIN'), (3, 'CERAI HIDUP'), (4, 'CERAI MATI');
INSERT INTO tweb_penduduk_hubungan VALUES (1, 'KEPALA KELUARGA'), (2, 'SUAMI'), (3, 'ISTRI'), (4, 'ANAK'), (5, 'MENANTU'), (6, 'CUCU'),
    (7, 'ORANGTUA'), (8, 'MERTUA'), (9, 'FAMILI'), (10, 'PEMBANTU'), (11, 'LAINNYA');
INSERT INTO tweb_penduduk_pekerjaan VALUES (1, 'BELUM/TIDAK BEKERJA'), (2, 'MENGURUS RUMAH TANGGA'), (3, 'PELAJAR/MAHASISWA'), (4, 'PENSIUNAN'),
    (9, 'PETANI/PEKEBUN'), (15, 'KARYAWAN SWASTA'), (84, 'PEDAGANG'), (88, 'WIRASWASTA'), (89, 'LAINNYA');

-- What the registry lets the bus write: deaths and births of health facilities, and those that they withdrew.
CREATE TABLE bus_kematian (
    nik CHAR(16) PRIMARY KEY, tanggal_meninggal DATE NOT NULL, jam_meninggal CHAR(5), sumber VARCHAR(60) NOT NULL,
    event_id CHAR(32) NOT NULL
);
CREATE TABLE bus_kematian_batal (membatalkan CHAR(32) PRIMARY KEY, event_id CHAR(32) NOT NULL);
CREATE TABLE bus_kelahiran (
    event_id CHAR(32) PRIMARY KEY, nik_ibu CHAR(16) NOT NULL, tanggal_lahir DATE NOT NULL, jam_lahir CHAR(5), jenis_kelamin CHAR(1),
    no_surat VARCHAR(100), sumber VARCHAR(60) NOT NULL
);
CREATE TABLE bus_kelahiran_batal (membatalkan CHAR(32) PRIMARY KEY, event_id CHAR(32) NOT NULL);

-- The clerks' lists: deaths of whom the registry takes for alive, or does not know; births that no registered child explains yet.
CREATE VIEW kematian_dari_faskes AS
SELECT k.nik, k.tanggal_meninggal, k.jam_meninggal, k.sumber, p.id AS id_penduduk
FROM bus_kematian k LEFT JOIN tweb_penduduk p ON p.nik = k.nik
WHERE (p.id IS NULL OR p.status_dasar = 1) AND k.event_id NOT IN (SELECT membatalkan FROM bus_kematian_batal);

CREATE VIEW kelahiran_dari_faskes AS
SELECT DISTINCT b.nik_ibu, b.tanggal_lahir, b.jam_lahir, b.jenis_kelamin, b.no_surat, b.sumber
FROM bus_kelahiran b
WHERE b.event_id NOT IN (SELECT membatalkan FROM bus_kelahiran_batal)
  AND (SELECT COUNT(*) FROM tweb_penduduk p WHERE p.ibu_nik = b.nik_ibu AND p.tanggallahir = b.tanggal_lahir)
    < (SELECT COUNT(DISTINCT COALESCE(z.no_surat, z.jam_lahir, z.event_id)) FROM bus_kelahiran z
       WHERE z.nik_ibu = b.nik_ibu AND z.tanggal_lahir = b.tanggal_lahir
         AND z.event_id NOT IN (SELECT membatalkan FROM bus_kelahiran_batal));
