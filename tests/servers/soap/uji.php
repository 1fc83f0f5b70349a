<?php
// A service as offices have them: rows that can be asked for in pages, and a door for what others push.

final class Uji
{
    /** Rows from a number on, in its order. */
    public function AmbilBaris(stdClass $masuk): array
    {
        fault();
        $sejak = $masuk->sejak ?? 0;
        $baris = array_values(array_filter(read('baris.json', []), fn ($baris) => $baris['urutan'] >= $sejak));
        if (isset($masuk->jumlah)) {
            $baris = array_slice($baris, (($masuk->halaman ?? 1) - 1) * $masuk->jumlah, $masuk->jumlah);
        }
        return $baris ? ['daftar' => ['baris' => $baris]] : [];
    }

    /** One row: each event once, an older one never over a newer. */
    public function TerimaBaris(stdClass $masuk): array
    {
        $atur = fault();
        if (($atur['tolak'] ?? null) === $masuk->isi->nilai) {
            if ($atur['cara'] === 'jawaban') {
                return ['status' => 'DITOLAK', 'pesan' => $masuk->isi->nilai];
            }
            throw new SoapFault($atur['cara'], "data ditolak: {$masuk->isi->nilai}");
        }
        if (!@mkdir('peristiwa/' . sha1($masuk->idPeristiwa), 0777, true)) {
            return ['status' => 'OK'];
        }
        @mkdir('kunci');
        $file = 'kunci/' . sha1($masuk->kunci);
        if ($masuk->urutan >= (read($file, [])['urutan'] ?? '')) {
            $baris = ['kunci' => $masuk->kunci, 'nilai' => $masuk->isi->nilai, 'urutan' => $masuk->urutan];
            file_put_contents($file, json_encode($baris));
            file_put_contents('tulisan', $masuk->idPeristiwa . "\n", FILE_APPEND);
        }
        return ['status' => 'OK'];
    }
}
