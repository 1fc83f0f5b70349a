-- Invented persons of one kelurahan: born, died, moved out, moved in, one with a NIK of 15 digits, one born on 0000-00-00.

INSERT INTO config VALUES (1, 'Mojoroto', '3571011011');
INSERT INTO tweb_wil_clusterdesa (id, rt, rw, dusun) VALUES (1, '003', '001', 'Mojoroto'), (2, '-', '-', 'Mojoroto');
INSERT INTO tweb_keluarga (id, no_kk, nik_kepala, alamat, id_cluster) VALUES (1, '3571010101150001', '1', 'Jl. Contoh 1', 1);

INSERT INTO tweb_penduduk (id, nama, nik, id_kk, kk_level, sex, tempatlahir, tanggallahir, agama_id, pekerjaan_id, status_kawin,
                           ibu_nik, id_cluster, alamat_sekarang, status_dasar) VALUES
    (1, 'Contoh Kepala', 3571010508800001, 1, 1, 1, 'KEDIRI', '1980-08-05', 1, 15, 2, '', 1, 'Jl. Contoh 1', 1),
    (2, 'Contoh Ibu', 3571014508820002, 1, 3, 2, 'KEDIRI', '1982-08-05', 7, 2, 2, '-', 1, 'Jl. Contoh 1', 1),
    (3, 'Contoh Bayi', 3571011503260001, 1, 4, 1, 'KEDIRI', '2026-03-15', 1, 1, 1, '3571014508820002', 1, 'Jl. Contoh 1', 1),
    (4, 'Contoh Kakek', 3571010101500001, 1, 7, 1, 'KEDIRI', '1950-01-01', 1, 4, 4, '', 1, 'Jl. Contoh 1', 2),
    (5, 'Contoh Pindah', 3571010101900001, 0, 1, 1, 'BLITAR', '1990-01-01', 1, 88, 1, '', 2, '', 3),
    (6, 'Contoh Datang', 3578010101910001, 0, 1, 1, 'SURABAYA', '1991-01-01', 1, 84, 1, '', 2, '', 1),
    (7, 'Contoh Salah', 357101010192001, 0, 1, 1, 'KEDIRI', '1992-01-01', 1, 84, 1, '', 2, '', 1),
    (8, 'Contoh Kosong', 3571011603260001, 1, 4, 1, 'KEDIRI', '0000-00-00', 1, 1, 1, '', 1, 'Jl. Contoh 1', 1);

INSERT INTO log_penduduk (id, id_pend, kode_peristiwa, meninggal_di, alamat_tujuan, ref_pindah, tgl_lapor, tgl_peristiwa, updated_at)
VALUES
    (1, 3, 1, NULL, NULL, 1, '2026-03-16 08:00:00', '2026-03-15 00:00:00', '2026-03-16 08:00:00'),
    (2, 4, 2, 'Rumah', NULL, 1, '2026-03-16 08:01:00', '2026-03-14 00:00:00', '2026-03-16 08:01:00'),
    (3, 5, 3, NULL, 'Surabaya', 4, '2026-03-16 08:02:00', '2026-03-16 00:00:00', '2026-03-16 08:02:00'),
    (4, 6, 5, NULL, NULL, 1, '2026-03-16 08:03:00', '2026-03-15 00:00:00', '2026-03-16 08:03:00'),
    (5, 7, 5, NULL, NULL, 1, '2026-03-16 08:04:00', '2026-03-15 00:00:00', '2026-03-16 08:04:00'),
    (6, 8, 1, NULL, NULL, 1, '2026-03-16 08:05:00', '0000-00-00 00:00:00', '2026-03-16 08:05:00');
