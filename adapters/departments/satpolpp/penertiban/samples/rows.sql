-- Two steps and an answer, then a step without words, which no event can have.

INSERT INTO tindak_lanjut VALUES ('LPR-2026-000123', 1, 'Petugas memeriksa lokasi dan memanggil pemilik reklame.', 'DIPROSES', '2026-03-16 10:00:00');
INSERT INTO tindak_lanjut VALUES ('LPR-2026-000123', 2, 'Papan reklame diturunkan oleh pemiliknya.', 'DIPROSES', '2026-03-18 09:15:00');
INSERT INTO penyelesaian VALUES ('LPR-2026-000123', 'Papan reklame sudah diturunkan.', 'TUNTAS', '2026-03-18 14:30:00');
INSERT INTO tindak_lanjut VALUES ('LPR-2026-000124', 1, '-', 'DIPROSES', '2026-03-18 15:00:00');
