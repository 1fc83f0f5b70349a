-- What the bus would have written, had it carried everything: from the same databases, by hand.

INSERT INTO bansos.bus_penduduk SELECT p.nik, p.nama, s.nama, '', 'tercatat' || p.id
    FROM siak.tweb_penduduk p JOIN siak.tweb_status_dasar s ON s.id = p.status_dasar WHERE LENGTH(CAST(p.nik AS TEXT)) = 16;
INSERT INTO bansos.bus_kelahiran SELECT p.nik, p.tanggallahir, '', 'lahir' || p.id FROM siak.tweb_penduduk p
    JOIN siak.log_penduduk l ON l.id_pend = p.id WHERE l.kode_peristiwa = 1 AND p.tanggallahir NOT LIKE '0000%';
INSERT INTO siak.bus_kelahiran SELECT 'bayi' || c.no_rkm_medis, m.no_ktp, c.tgl_lahir, '', c.jk, '', '/kediri/rsud/simrs'
    FROM simrs.ranap_gabung g JOIN simrs.reg_periksa u ON u.no_rawat = g.no_rawat JOIN simrs.reg_periksa v ON v.no_rawat = g.no_rawat2
    JOIN simrs.pasien m ON m.no_rkm_medis = u.no_rkm_medis JOIN simrs.pasien c ON c.no_rkm_medis = v.no_rkm_medis
    WHERE LENGTH(m.no_ktp) = 16;
INSERT INTO siak.bus_kelahiran_batal SELECT event_id, 'batal' FROM siak.bus_kelahiran
    WHERE event_id NOT IN (SELECT 'bayi' || no_rkm_medis FROM simrs.pasien_bayi);
INSERT INTO epuskesmas.kelahiran SELECT event_id, nik_ibu, tanggal_lahir, jenis_kelamin, 3000 FROM siak.bus_kelahiran
    WHERE event_id NOT IN (SELECT membatalkan FROM siak.bus_kelahiran_batal);
INSERT INTO epuskesmas.sasaran SELECT nik, tanggal_lahir, '', '', '1', event_id FROM bansos.bus_kelahiran;
INSERT INTO bansos.bus_pindah SELECT p.nik, SUBSTR(l.tgl_peristiwa, 1, 10), 'keluar' || p.id FROM siak.tweb_penduduk p
    JOIN siak.log_penduduk l ON l.id_pend = p.id WHERE l.kode_peristiwa = 3;
INSERT INTO pajak.bus_pindah_keluar SELECT nik, tanggal_pindah, event_id FROM bansos.bus_pindah;
INSERT INTO bansos.bus_kedatangan SELECT p.nik, SUBSTR(l.tgl_peristiwa, 1, 10), 'datang' || p.id FROM siak.tweb_penduduk p
    JOIN siak.log_penduduk l ON l.id_pend = p.id WHERE l.kode_peristiwa = 5 AND LENGTH(CAST(p.nik AS TEXT)) = 16;
INSERT INTO perizinan.bus_kematian SELECT p.nik, '2026-03-02', 'mati' || p.id FROM siak.tweb_penduduk p
    JOIN siak.catatan_sumber c ON c.tabel = 'kematian' AND c.apa = 'meninggal' AND c.kunci = p.id;
INSERT INTO perizinan.bus_kematian_batal SELECT 'mati' || c.kunci, 'hidup' || c.kunci FROM siak.catatan_sumber c
    WHERE c.tabel = 'kematian' AND c.apa = 'batal';
INSERT INTO pajak.bus_kematian SELECT * FROM perizinan.bus_kematian;
INSERT INTO pajak.bus_kematian_batal SELECT * FROM perizinan.bus_kematian_batal;
UPDATE simpeg.pensiunan SET status = 'dihentikan', event_id = 'mati' WHERE nik IN (SELECT nik FROM perizinan.bus_kematian);
UPDATE simpeg.pensiunan SET status = 'aktif', event_id = 'hidup'
    WHERE nik IN (SELECT nik FROM siak.tweb_penduduk WHERE status_dasar = 1) AND status = 'dihentikan';
INSERT INTO simpeg.bus_kematian_pegawai SELECT nip, nik, '2026-03-02', 'mati' FROM simpeg.pegawai
    WHERE nik IN (SELECT nik FROM siak.tweb_penduduk WHERE status_dasar = 2);
INSERT INTO pajak.bus_penerima SELECT r.nik, r.program, 'berhenti', '2026-03-02', r.periode, 'henti' || r.id FROM bansos.penerima r
    WHERE r.nik IN (SELECT nik FROM perizinan.bus_kematian);
UPDATE bansos.penerima SET status = 'dihentikan', event_id = 'mati'
    WHERE nik IN (SELECT nik FROM perizinan.bus_kematian);
UPDATE bansos.penerima SET status = 'aktif', event_id = 'hidup'
    WHERE nik IN (SELECT nik FROM siak.tweb_penduduk WHERE status_dasar = 1) AND status = 'dihentikan';
UPDATE pajak.bus_penerima SET status = 'aktif', event_id = 'hidup' || rowid
    WHERE nik IN (SELECT nik FROM bansos.penerima WHERE event_id = 'hidup');
INSERT INTO pajak.calon_objek_pajak SELECT nomor, jenis, tanggal_terbit, nib, kbli, nama_usaha, '', NULL, 'izin' || id FROM perizinan.izin;
INSERT INTO pajak.bus_izin_dicabut SELECT nomor, tanggal_cabut, 'cabut' || id FROM perizinan.izin WHERE status = 'dicabut';
INSERT INTO perizinan.bus_pembayaran SELECT nop, tahun, tanggal_bayar, 'bayar' || rowid FROM main.setoran
    WHERE LENGTH(nik) = 16;

INSERT INTO penertiban.laporan (nomor, kategori, judul, isi, waktu_diterima, lokasi, event_id)
    SELECT nomor, kategori, judul, isi, waktu, lokasi, 'laporan' || nomor FROM pengaduan.laporan
    WHERE opd_tujuan = 'satpolpp' AND judul <> '';
INSERT INTO penertiban.tindak_lanjut SELECT nomor, 1, 'Petugas memeriksa lokasi.', 'DIPROSES', '2026-03-02' FROM penertiban.laporan;
INSERT INTO penertiban.penyelesaian SELECT nomor, 'Sudah ditertibkan.', 'TUNTAS', '2026-03-02' FROM penertiban.laporan;
INSERT INTO pengaduan.kabar SELECT 'l' || nomor_laporan, 'ditindaklanjuti', nomor_laporan, uraian, '', 'l' || nomor_laporan
    FROM penertiban.tindak_lanjut;
INSERT INTO pengaduan.kabar SELECT 's' || nomor_laporan, 'selesai', nomor_laporan, jawaban, '', 's' || nomor_laporan
    FROM penertiban.penyelesaian;

INSERT INTO sensor.bus_peringatan SELECT 'alarm' || nomor, sensor, 'BANJIR', CASE WHEN nilai >= 150 THEN 'WASPADA' ELSE 'NORMAL' END,
    nilai, 'cm', waktu, '' FROM main.ukuran WHERE nilai IN (118.0, 156.0, 127.5);
INSERT INTO pengaduan.kabar SELECT event_id, 'peringatan', sensor || ' ' || printf('%.1f', nilai), tingkat, waktu, event_id
    FROM sensor.bus_peringatan;

INSERT INTO epuskesmas.kepindahan SELECT event_id, nik, 'keluar', tanggal_pindah, '', '', '1' FROM bansos.bus_pindah;
INSERT INTO epuskesmas.kepindahan SELECT event_id, nik, 'datang', tanggal_datang, '', '', '1' FROM bansos.bus_kedatangan;
