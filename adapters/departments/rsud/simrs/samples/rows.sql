-- Invented patients: a mother and her newborn, a death after a change of room, an outpatient, a cancelled registration; one without a
-- NIK, one whose NIK has 15 digits and who dies, one born on 0000-00-00, twins of a mother whose NIK is '-'.
SET sql_mode = '';

INSERT INTO poliklinik VALUES ('INT', 'Poli Penyakit Dalam', 0, '1'), ('IGDK', 'IGD', 0, '1'), ('U0001', 'Kebidanan', 0, '1');

INSERT INTO pasien (no_rkm_medis, nm_pasien, no_ktp, jk, tmp_lahir, tgl_lahir, nm_ibu, alamat, tgl_daftar, umur, namakeluarga) VALUES
    ('000101', 'CONTOH IBU', '3571014508950002', 'P', 'KEDIRI', '1995-08-05', '-', 'Jl. Contoh 1', '2026-03-15', '30 Th', '-'),
    ('000102', 'BY NY CONTOH IBU', '-', 'L', 'KEDIRI', '2026-03-15', 'CONTOH IBU', 'Jl. Contoh 1', '2026-03-15', '0 Hr', '-'),
    ('000103', 'CONTOH KAKEK', '3571010101500001', 'L', 'KEDIRI', '1950-01-01', '-', 'Jl. Contoh 2', '2025-01-02', '76 Th', '-'),
    ('000104', 'RENÉ CONTOH', '3571020508800002 ', 'L', '-', '1980-08-05', '-', 'Jl. Contoh 3', '2026-03-16', '45 Th', '-'),
    ('000105', 'CONTOH KOSONG', '', 'P', NULL, '0000-00-00', '-', 'Jl. Contoh 4', '0000-00-00', '', '-'),
    ('000106', 'CONTOH SALAH', '357102050855000', 'L', 'BLITAR', '1955-08-05', '-', 'Jl. Contoh 5', '2026-03-16', '70 Th', '-'),
    ('000107', 'CONTOH TANPA NIK', '-', 'P', 'KEDIRI', '1999-02-03', '-', 'Jl. Contoh 6', '2026-03-17', '27 Th', '-'),
    ('000108', 'BY NY CONTOH TANPA NIK', '-', 'P', 'KEDIRI', '2026-03-17', 'CONTOH TANPA NIK', 'Jl. Contoh 6', '2026-03-17', '0 Hr', '-');

INSERT INTO reg_periksa (no_rawat, tgl_registrasi, jam_reg, no_rkm_medis, kd_poli, stts, stts_daftar, status_lanjut, kd_pj, status_bayar,
                         status_poli) VALUES
    ('2026/03/15/000001', '2026-03-15', '06:10:00', '000101', 'U0001', 'Dirawat', 'Baru', 'Ranap', 'BPJ', 'Sudah Bayar', 'Baru'),
    ('2026/03/15/000002', '2026-03-15', '07:45:00', '000102', 'U0001', 'Dirawat', 'Baru', 'Ranap', 'BPJ', 'Sudah Bayar', 'Baru'),
    ('2026/03/16/000001', '2026-03-16', '22:05:00', '000103', 'IGDK', 'Dirawat', 'Lama', 'Ranap', 'BPJ', 'Belum Bayar', 'Lama'),
    ('2026/03/16/000002', '2026-03-16', '08:10:00', '000104', 'INT', 'Sudah', 'Baru', 'Ralan', 'BPJ', 'Sudah Bayar', 'Baru'),
    ('2026/03/16/000003', '2026-03-16', '08:12:00', '000105', 'INT', 'Batal', 'Baru', 'Ralan', 'UMU', 'Belum Bayar', 'Baru'),
    ('2026/03/16/000004', '2026-03-16', '09:00:00', '000106', 'IGDK', 'Dirawat', 'Baru', 'Ranap', 'UMU', 'Belum Bayar', 'Baru'),
    ('2026/03/17/000001', '2026-03-17', '01:00:00', '000107', 'U0001', 'Dirawat', 'Baru', 'Ranap', 'UMU', 'Belum Bayar', 'Baru'),
    ('2026/03/17/000002', '2026-03-17', '03:00:00', '000108', 'U0001', 'Dirawat', 'Baru', 'Ranap', 'UMU', 'Belum Bayar', 'Baru');

INSERT INTO diagnosa_pasien VALUES
    ('2026/03/15/000001', 'O80.9', 'Ranap', 1, 'Baru'),
    ('2026/03/16/000001', 'I219', 'Ranap', 1, 'Baru'),
    ('2026/03/16/000001', 'E11.9', 'Ranap', 2, 'Lama'),
    ('2026/03/16/000002', 'A09.9', 'Ralan', 1, 'Baru');

INSERT INTO kamar_inap (no_rawat, kd_kamar, diagnosa_awal, diagnosa_akhir, tgl_masuk, jam_masuk, tgl_keluar, jam_keluar, stts_pulang) VALUES
    ('2026/03/15/000001', 'MELATI-1', 'PARTUS', 'PARTUS', '2026-03-15', '06:30:00', '2026-03-17', '11:00:00', 'Sembuh'),
    ('2026/03/15/000002', 'MELATI-1', '-', '-', '2026-03-15', '08:00:00', '2026-03-17', '11:00:00', 'Sehat'),
    ('2026/03/16/000001', 'MAWAR-2', 'NYERI DADA', '-', '2026-03-16', '23:00:00', '2026-03-17', '02:00:00', 'Pindah Kamar'),
    ('2026/03/16/000001', 'ICU-1', 'STEMI', 'STEMI', '2026-03-17', '02:00:00', '2026-03-18', '04:40:00', 'Meninggal'),
    ('2026/03/16/000004', 'MAWAR-3', 'SESAK', '-', '2026-03-16', '10:00:00', '2026-03-19', '05:00:00', '+'),
    ('2026/03/17/000001', 'MELATI-2', 'PARTUS', '-', '2026-03-17', '01:10:00', '0000-00-00', '00:00:00', '-');

INSERT INTO pasien_mati VALUES ('2026-03-18', '04:30:00', '000103', '-', 'Rumah Sakit', 'I219', '', '-', 'I46.9', 'D01');

INSERT INTO pasien_bayi (no_rkm_medis, umur_ibu, nama_ayah, umur_ayah, berat_badan, panjang_badan, lingkar_kepala, proses_lahir, anakke,
                         jam_lahir, keterangan, penolong, no_skl) VALUES
    ('000102', '30', 'CONTOH AYAH', '33', '3150', '49 cm', '34', 'Spontan', '1', '07:30:00', '-', 'P01', '445/0001/SKL/2026'),
    ('000108', '27', '-', '-', '2,9 kg', '-', '-', 'Lahir di mobil', '-', '02:40:00', '-', '-', '');

INSERT INTO ranap_gabung VALUES ('2026/03/15/000001', '2026/03/15/000002'), ('2026/03/17/000001', '2026/03/17/000002');

INSERT INTO user VALUES ('admin', 'rahasia');
