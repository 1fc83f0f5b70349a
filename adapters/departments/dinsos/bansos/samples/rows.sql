-- Three disbursements; the second is handed back, the last has a NIK of 17 digits.

INSERT INTO penyaluran (nik, program, periode, tanggal, bentuk, nominal, penyalur, no_bukti) VALUES
    ('3571010508800001', 'BPNT', '2026-01', '2026-01-20', 'NONTUNAI', 200000, 'Bank Contoh', 'BPNT/1/0001'),
    ('3571014508820002', 'BPNT', '2026-01', '2026-01-20', 'NONTUNAI', 200000, 'Bank Contoh', 'BPNT/1/0002'),
    ('35710212059000040', 'BPNT', '2026-01', '2026-01-20', 'BARANG', NULL, NULL, NULL);

UPDATE penyaluran SET status = 'dikembalikan', alasan = 'Diterima oleh orang lain' WHERE id = 2;
