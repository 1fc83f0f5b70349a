-- The personnel application's own tables, in MariaDB (mixed engines), and what it lets the bus write. `dihentikan_oleh` is the death
-- that stopped a pension; `bus_kematian_pegawai` is the list of the clerk who sees to pensions of widows and widowers.
SET sql_mode = '';

CREATE TABLE unit_kerja (id INT PRIMARY KEY AUTO_INCREMENT, nama VARCHAR(100) NOT NULL) ENGINE = MyISAM DEFAULT CHARSET = latin1;

CREATE TABLE pegawai (
    id INT PRIMARY KEY AUTO_INCREMENT, nip VARCHAR(25) NOT NULL UNIQUE, nik VARCHAR(20), nama VARCHAR(100) NOT NULL,
    jenis ENUM('PNS', 'CPNS', 'PPPK', 'PPPK Paruh Waktu') NOT NULL, jk ENUM('L', 'P'), tgl_lahir DATE, golongan VARCHAR(10),
    jabatan VARCHAR(150), id_unit_kerja INT, tmt_pengangkatan DATE NOT NULL, tmt_akhir DATE, no_sk_pengangkatan VARCHAR(60),
    status ENUM('aktif', 'pensiun', 'berhenti', 'dibatalkan') NOT NULL DEFAULT 'aktif', gaji_pokok DECIMAL(12, 2), no_rekening VARCHAR(30),
    foto MEDIUMBLOB, password VARCHAR(255), KEY nik (nik)
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

CREATE TABLE riwayat_mutasi (
    id INT PRIMARY KEY AUTO_INCREMENT, nip VARCHAR(25) NOT NULL, jenis VARCHAR(30), id_unit_asal INT, id_unit_tujuan INT,
    jabatan VARCHAR(150), golongan VARCHAR(10), tmt DATE, no_sk VARCHAR(60), berkas_sk VARCHAR(200),
    status ENUM('usul', 'terbit', 'dibatalkan') NOT NULL DEFAULT 'usul', KEY nip (nip)
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

CREATE TABLE riwayat_pensiun (
    id INT PRIMARY KEY AUTO_INCREMENT, nip VARCHAR(25) NOT NULL, sebab VARCHAR(40), tmt DATE, no_sk VARCHAR(60), berkas_sk VARCHAR(200),
    status ENUM('usul', 'terbit', 'dibatalkan') NOT NULL DEFAULT 'usul', KEY nip (nip)
) ENGINE = MyISAM DEFAULT CHARSET = latin1;

CREATE TABLE pensiunan (
    id INT PRIMARY KEY AUTO_INCREMENT, nip VARCHAR(25) NOT NULL UNIQUE, nik VARCHAR(20) NOT NULL, nama VARCHAR(100) NOT NULL,
    status ENUM('aktif', 'dihentikan') NOT NULL DEFAULT 'aktif', tanggal_berhenti DATE, dihentikan_oleh CHAR(32), event_id CHAR(32),
    KEY nik (nik)
) ENGINE = InnoDB DEFAULT CHARSET = latin1;

CREATE TABLE bus_kematian_pegawai (
    nip VARCHAR(25) PRIMARY KEY, nik VARCHAR(20) NOT NULL, tanggal_meninggal DATE NOT NULL, event_id CHAR(32) NOT NULL, KEY nik (nik)
) ENGINE = InnoDB DEFAULT CHARSET = latin1;
CREATE TABLE bus_kematian_batal (membatalkan CHAR(32) PRIMARY KEY, event_id CHAR(32) NOT NULL) ENGINE = InnoDB DEFAULT CHARSET = latin1;
