-- The tables of SIMRS Khanza that the contract reads, in MariaDB: names, keys, codes, engines and character sets are Khanza's.
-- No table says when a row was changed; dates may be 0000-00-00 (unknown); `kamar_inap` and `pasien_bayi` hold clinical free text
-- and `user` holds passwords: the contract names none of these columns.
SET sql_mode = '';

CREATE TABLE pasien (
    no_rkm_medis VARCHAR(15) NOT NULL, nm_pasien VARCHAR(40), no_ktp VARCHAR(20), jk ENUM('L', 'P'), tmp_lahir VARCHAR(15),
    tgl_lahir DATE, nm_ibu VARCHAR(40) NOT NULL, alamat VARCHAR(200), gol_darah ENUM('A', 'B', 'O', 'AB', '-'), pekerjaan VARCHAR(60),
    agama VARCHAR(12), tgl_daftar DATE, no_tlp VARCHAR(40), umur VARCHAR(30) NOT NULL,
    keluarga ENUM('AYAH', 'IBU', 'ISTRI', 'SUAMI', 'SAUDARA', 'ANAK', 'DIRI SENDIRI', 'LAIN-LAIN'), namakeluarga VARCHAR(50) NOT NULL,
    no_peserta VARCHAR(25), cacat_fisik INT NOT NULL DEFAULT 0,
    PRIMARY KEY (no_rkm_medis), KEY nm_pasien (nm_pasien), KEY no_ktp (no_ktp)
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

CREATE TABLE pasien_bayi (
    no_rkm_medis VARCHAR(15) NOT NULL, umur_ibu VARCHAR(8) NOT NULL, nama_ayah VARCHAR(50) NOT NULL, umur_ayah VARCHAR(8) NOT NULL,
    berat_badan VARCHAR(10) NOT NULL, panjang_badan VARCHAR(10) NOT NULL, lingkar_kepala VARCHAR(10) NOT NULL,
    proses_lahir VARCHAR(60) NOT NULL, anakke CHAR(2) NOT NULL, jam_lahir TIME NOT NULL, keterangan VARCHAR(50) NOT NULL,
    diagnosa VARCHAR(60), penyulit_kehamilan VARCHAR(60), ketuban VARCHAR(60), penolong VARCHAR(20), no_skl VARCHAR(30),
    PRIMARY KEY (no_rkm_medis), CONSTRAINT pasien_bayi_ibfk_1 FOREIGN KEY (no_rkm_medis) REFERENCES pasien (no_rkm_medis)
        ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

CREATE TABLE pasien_mati (
    tanggal DATE, jam TIME, no_rkm_medis VARCHAR(15) NOT NULL DEFAULT '', keterangan VARCHAR(100),
    temp_meninggal ENUM('-', 'Rumah Sakit', 'Puskesmas', 'Rumah Bersalin', 'Rumah Tempat Tinggal', 'Lain-lain (Termasuk Doa)',
                        'Tidak tahu'),
    icd1 VARCHAR(20), icd2 VARCHAR(20), icd3 VARCHAR(20), icd4 VARCHAR(20), kd_dokter VARCHAR(20) NOT NULL,
    PRIMARY KEY (no_rkm_medis)
) ENGINE = MyISAM DEFAULT CHARSET = latin1;

CREATE TABLE poliklinik (
    kd_poli CHAR(5) NOT NULL DEFAULT '', nm_poli VARCHAR(50), registrasi DOUBLE NOT NULL, status ENUM('0', '1') NOT NULL,
    PRIMARY KEY (kd_poli)
) ENGINE = MyISAM DEFAULT CHARSET = latin1;

CREATE TABLE reg_periksa (
    no_reg VARCHAR(8), no_rawat VARCHAR(17) NOT NULL, tgl_registrasi DATE, jam_reg TIME, kd_dokter VARCHAR(20),
    no_rkm_medis VARCHAR(15), kd_poli CHAR(5), p_jawab VARCHAR(100), almt_pj VARCHAR(200), biaya_reg DOUBLE,
    stts ENUM('Belum', 'Sudah', 'Batal', 'Berkas Diterima', 'Dirujuk', 'Meninggal', 'Dirawat', 'Pulang Paksa'),
    stts_daftar ENUM('-', 'Lama', 'Baru') NOT NULL, status_lanjut ENUM('Ralan', 'Ranap') NOT NULL, kd_pj CHAR(3) NOT NULL,
    umurdaftar INT, sttsumur ENUM('Th', 'Bl', 'Hr'), status_bayar ENUM('Sudah Bayar', 'Belum Bayar') NOT NULL,
    status_poli ENUM('Lama', 'Baru') NOT NULL,
    PRIMARY KEY (no_rawat), KEY no_rkm_medis (no_rkm_medis), KEY kd_poli (kd_poli),
    CONSTRAINT reg_periksa_ibfk_1 FOREIGN KEY (no_rkm_medis) REFERENCES pasien (no_rkm_medis) ON UPDATE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

CREATE TABLE diagnosa_pasien (
    no_rawat VARCHAR(17) NOT NULL, kd_penyakit VARCHAR(15) NOT NULL, status ENUM('Ralan', 'Ranap') NOT NULL, prioritas TINYINT NOT NULL,
    status_penyakit ENUM('Lama', 'Baru'),
    PRIMARY KEY (no_rawat, kd_penyakit, status), KEY prioritas (prioritas)
) ENGINE = MyISAM DEFAULT CHARSET = latin1;

CREATE TABLE kamar_inap (
    no_rawat VARCHAR(17) NOT NULL DEFAULT '', kd_kamar VARCHAR(15) NOT NULL, trf_kamar DOUBLE, diagnosa_awal VARCHAR(100),
    diagnosa_akhir VARCHAR(100), tgl_masuk DATE NOT NULL DEFAULT '0000-00-00', jam_masuk TIME NOT NULL DEFAULT '00:00:00',
    tgl_keluar DATE, jam_keluar TIME, lama DOUBLE, ttl_biaya DOUBLE,
    stts_pulang ENUM('Sehat', 'Rujuk', 'APS', '+', 'Meninggal', 'Sembuh', 'Membaik', 'Pulang Paksa', '-', 'Pindah Kamar',
                     'Status Belum Lengkap', 'Atas Persetujuan Dokter', 'Atas Permintaan Sendiri', 'Isoman', 'Lain-lain') NOT NULL,
    PRIMARY KEY (no_rawat, tgl_masuk, jam_masuk), KEY kd_kamar (kd_kamar),
    CONSTRAINT kamar_inap_ibfk_3 FOREIGN KEY (no_rawat) REFERENCES reg_periksa (no_rawat) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

-- Rooming-in: the mother's visit and the newborn's. Nothing else in Khanza leads from a child to its mother's record.
CREATE TABLE ranap_gabung (
    no_rawat VARCHAR(17) NOT NULL, no_rawat2 VARCHAR(17) NOT NULL, PRIMARY KEY (no_rawat, no_rawat2), KEY no_rawat2 (no_rawat2)
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

CREATE TABLE user (id_user VARCHAR(700) NOT NULL, password TEXT, PRIMARY KEY (id_user(255))) ENGINE = MyISAM DEFAULT CHARSET = latin1;
