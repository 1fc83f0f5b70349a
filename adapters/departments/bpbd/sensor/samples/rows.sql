-- What the duty officers enter once the outbox is installed: a flood, a later report of it with a corrected text, a landslide that was
-- entered twice, and a fire with an impossible kelurahan.

INSERT INTO kejadian (id, nomor, jenis, waktu, kode_wilayah, lokasi, uraian, tingkat, terdampak, sumber) VALUES
    (1, '360/0017/419.57/2026', 'Banjir', '2026-03-15 19:05:00', '35.71.02.1001', 'RT 3 rumah Bapak Contoh', 'Air masuk rumah', 'Siaga',
     40, 'Pusdalops'),
    (2, '360/0018/419.57/2026', 'Longsor', '2026-03-15 20:00:00', '35.71.01.1004', NULL, NULL, NULL, NULL, 'Kelurahan Pojok'),
    (3, '360/0019/419.57/2026', 'Kebakaran', '2026-03-16 02:00:00', '3571010001', NULL, NULL, NULL, NULL, 'Pusdalops');
UPDATE kejadian SET terdampak = 120, mengungsi = 35 WHERE id = 1;
UPDATE kejadian SET uraian = 'Air masuk rumah setinggi lutut' WHERE id = 1;
UPDATE kejadian SET status = 'batal', alasan_batal = 'Tercatat dua kali' WHERE id = 2;
