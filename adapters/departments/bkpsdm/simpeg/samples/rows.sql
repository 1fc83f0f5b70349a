-- Invented employees: one of each kind, a NIP with blanks, one whose NIP has 17 digits, a cancelled appointment; a change of unit, one that
-- is only proposed, a promotion from 0000-00-00; a retirement and one that was cancelled; two pensioners.
SET sql_mode = '';

INSERT INTO unit_kerja VALUES (1, 'Dinas Contoh'), (2, 'Kecamatan Mojoroto'), (3, 'RSUD Gambiran');

INSERT INTO pegawai (id, nip, nik, nama, jenis, golongan, jabatan, id_unit_kerja, tmt_pengangkatan, tmt_akhir, no_sk_pengangkatan, status,
                     password) VALUES
    (1, '198008052006041002', '3571020508800002', 'Contoh Pegawai', 'PNS', 'III/c', 'Analis', 1, '2006-04-01', NULL, '821/1/2006', 'aktif',
     'rahasia'),
    (2, '19950805 202203 2 001', '3571014508950002', 'Contoh Perawat', 'PPPK', 'VII', 'Perawat', 3, '2022-03-01', '2027-02-28', '', 'aktif',
     'rahasia'),
    (3, '199902032026032001', '-', 'Contoh Calon', 'CPNS', 'III/a', NULL, 2, '2026-03-01', NULL, '813/7/2026', 'aktif', 'rahasia'),
    (4, '19680101199003100', '3571010101680001', 'Contoh Salah', 'PNS', 'III/d', 'Pengawas', 2, '1990-03-01', NULL, '-', 'aktif', 'rahasia'),
    (5, '199001012026031001', '3571010101900001', 'Contoh Batal', 'CPNS', 'III/a', NULL, 1, '2026-03-01', NULL, '813/8/2026', 'dibatalkan',
     'rahasia');

INSERT INTO riwayat_mutasi (id, nip, jenis, id_unit_asal, id_unit_tujuan, jabatan, golongan, tmt, no_sk, status) VALUES
    (1, '198008052006041002', 'Pindah Unit', 1, 2, 'Kepala Seksi', NULL, '2026-04-01', '824/3/2026', 'terbit'),
    (2, '19950805 202203 2 001', 'Promosi', NULL, NULL, 'Perawat Mahir', '', '2026-05-01', '-', 'usul'),
    (3, '198008052006041002', 'Kenaikan Pangkat', 1, 1, NULL, 'III/d', '0000-00-00', '823/9/2026', 'terbit');

INSERT INTO riwayat_pensiun (id, nip, sebab, tmt, no_sk, status) VALUES
    (1, '198008052006041002', 'BUP', '2038-09-01', '882/1/2026', 'terbit'),
    (2, '19950805 202203 2 001', 'APS', '2026-07-01', '-', 'dibatalkan');

INSERT INTO pensiunan (id, nip, nik, nama) VALUES
    (1, '195001011975031001', '3571010101500001', 'Contoh Kakek'),
    (2, '195508051980031002', '3571020508550001', 'Contoh Pensiunan');
