-- What the counter does once the outbox is installed: two permits (one is revoked, the other's name mended), one with a NIK of 17 digits,
-- and one that is entered as a draft and issued later.

INSERT INTO izin (id, nomor, jenis, nib, kbli, nik_pemohon, nama_pemohon, nama_usaha, alamat_usaha, kode_wilayah, tanggal_terbit,
                  berlaku_sampai) VALUES
    (1, '503/0001/419.104/2026', 'Izin Apotek', '0220100123456', '47721', '3571020508800002', 'Contoh Warga', 'Apotek Contoh',
     'Jl. Contoh 1', '35.71.02.1012', '2026-03-15', '2031-03-15'),
    (2, '503/0002/419.104/2026', 'Izin Toko', NULL, '47111', '3571014508820002', 'Contoh Ibu', 'Toko Contoh',
     'Jl. Contoh 2', '35.71.01.1011', '2026-03-15', NULL),
    (3, '503/0003/419.104/2026', 'Izin Toko', NULL, '47111', '35710145088200021', 'Contoh Salah', 'Toko Salah',
     'Jl. Contoh 3', '35.71.01.1011', '2026-03-15', NULL);
UPDATE izin SET status = 'dicabut', tanggal_cabut = '2026-09-01', alasan_cabut = 'Usaha tutup', sk_cabut = '503/SK/9/2026' WHERE id = 2;
UPDATE izin SET nama_usaha = 'Apotek Contoh Sehat' WHERE id = 1;
INSERT INTO izin (id, nomor, jenis, status, kbli, nik_pemohon, nama_usaha, kode_wilayah) VALUES
    (4, '503/0004/419.104/2026', 'Izin Bengkel', 'draf', '45201', '3571010101910001', 'Bengkel Contoh', '35.71.03.1011');
UPDATE izin SET nama_usaha = 'Bengkel Contoh Jaya' WHERE id = 4;
UPDATE izin SET status = 'terbit', tanggal_terbit = '2026-03-20' WHERE id = 4;
