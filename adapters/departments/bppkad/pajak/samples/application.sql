-- What the tax application lets the bus write; its own tables are its own affair.

CREATE TABLE bus_izin (
    nomor_izin TEXT PRIMARY KEY, jenis_izin TEXT NOT NULL, tanggal_terbit DATE NOT NULL, nib TEXT, kbli TEXT, nama_usaha TEXT,
    kode_wilayah TEXT, event_id TEXT NOT NULL
);
CREATE TABLE bus_izin_dicabut (nomor_izin TEXT PRIMARY KEY, tanggal_dicabut DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_pindah_keluar (nik TEXT PRIMARY KEY, tanggal_pindah DATE NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE bus_penerima (
    nik TEXT NOT NULL, program TEXT NOT NULL, periode TEXT NOT NULL, event_id TEXT NOT NULL, PRIMARY KEY (nik, program)
);
CREATE TABLE bus_penerima_berhenti (
    nik TEXT NOT NULL, program TEXT NOT NULL, tanggal DATE NOT NULL, event_id TEXT NOT NULL, PRIMARY KEY (nik, program)
);
