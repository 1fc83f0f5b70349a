-- The community health centre's application, as far as the demo needs it: newborns to visit, children to immunise, who moved, and how each
-- request of the bus was answered. `dicabut` has births and moves that were withdrawn, also one that has not come yet.

CREATE TABLE kelahiran (
    event_id TEXT PRIMARY KEY, nik_ibu TEXT NOT NULL, tanggal_lahir TEXT NOT NULL, jenis_kelamin TEXT, berat INTEGER
);
CREATE TABLE dicabut (event_id TEXT PRIMARY KEY);
CREATE TABLE sasaran (
    nik TEXT PRIMARY KEY, tanggal_lahir TEXT NOT NULL, jenis_kelamin TEXT, kode_wilayah TEXT, urutan TEXT NOT NULL, event_id TEXT NOT NULL
);
CREATE TABLE kepindahan (
    event_id TEXT PRIMARY KEY, nik TEXT NOT NULL, arah TEXT NOT NULL, tanggal TEXT NOT NULL, lingkup TEXT, kode_wilayah TEXT, urutan TEXT NOT NULL
);
CREATE TABLE terjawab (kunci TEXT PRIMARY KEY);
