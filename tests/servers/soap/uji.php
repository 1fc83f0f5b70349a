<?php
// A service as offices have them: rows that can be asked for in pages, and a door for what others push.

/** A file of rows in the order of their numbers, each a line of JSON, all of the same length: any of them is found at once. */
final class Daftar
{
    public int $count = 0;
    private int $width = 1;
    private $file;

    public function __construct(string $name)
    {
        $this->file = @fopen($name, 'r');
        if ($this->file && ($line = fgets($this->file)) !== false) {
            $this->width = strlen($line);
            $this->count = intdiv(fstat($this->file)['size'], $this->width);
        }
    }

    /** The place of the first row with this number or a higher one. */
    public function since(int $number): int
    {
        [$low, $high] = [0, $this->count];
        while ($low < $high) {
            $middle = intdiv($low + $high, 2);
            if ($this->rows($middle, 1)[0]['urutan'] < $number) {
                $low = $middle + 1;
            } else {
                $high = $middle;
            }
        }
        return $low;
    }

    /** So many rows from a place on. */
    public function rows(int $place, int $count): array
    {
        $count = max(0, min($count, $this->count - $place));
        if ($count === 0) {
            return [];
        }
        fseek($this->file, $place * $this->width);
        return array_map(fn ($line) => json_decode($line, true), str_split(fread($this->file, $count * $this->width), $this->width));
    }
}

final class Uji
{
    /** Rows from a number on, in its order. */
    public function AmbilBaris(stdClass $masuk): array
    {
        fault();
        $daftar = new Daftar('baris');
        $awal = $daftar->since($masuk->sejak ?? 0);
        $jumlah = $masuk->jumlah ?? $daftar->count;
        $baris = $daftar->rows($awal + (($masuk->halaman ?? 1) - 1) * $jumlah, $jumlah);
        return $baris ? ['daftar' => ['baris' => $baris]] : [];
    }

    /** A list of rows: all of them, or none. */
    public function TerimaDaftar(stdClass $masuk): array
    {
        $atur = fault();
        $baris = $masuk->daftar->baris;
        $semua = is_array($baris) ? $baris : [$baris];
        if (count($semua) > 1 && in_array($atur['tolak'] ?? null, array_map(fn ($satu) => $satu->isi->nilai, $semua), true)) {
            throw new SoapFault($atur['cara'], 'data ditolak');
        }
        foreach ($semua as $satu) {
            $jawaban = $this->TerimaBaris($satu);
        }
        return $jawaban;
    }

    /** One row: each event once, an older one never over a newer. */
    public function TerimaBaris(stdClass $masuk): array
    {
        $atur = fault();
        file_put_contents('didengar', $masuk->idPeristiwa . "\n", FILE_APPEND);
        if (($atur['tolak'] ?? null) === $masuk->isi->nilai) {
            if ($atur['cara'] === 'jawaban') {
                return ['status' => 'DITOLAK', 'pesan' => $masuk->isi->nilai];
            }
            throw new SoapFault($atur['cara'], "data ditolak: {$masuk->isi->nilai}");
        }
        if (!@mkdir('peristiwa/' . sha1($masuk->idPeristiwa), 0777, true)) {
            file_put_contents('ulangan', $masuk->idPeristiwa . "\n", FILE_APPEND);
            return ['status' => 'OK'];
        }
        @mkdir('kunci');
        $file = 'kunci/' . sha1($masuk->kunci);
        if ($masuk->urutan >= (read($file, [])['urutan'] ?? '')) {
            $baris = ['kunci' => $masuk->kunci, 'nilai' => $masuk->isi->nilai, 'urutan' => $masuk->urutan];
            file_put_contents($file, json_encode($baris + ['peristiwa' => $masuk->idPeristiwa]));
            file_put_contents('tulisan', $masuk->idPeristiwa . "\n", FILE_APPEND);
        }
        while (isset($atur['cukup']) && count(file('tulisan')) >= $atur['cukup']) {
            usleep(10000); // applied, and no answer until the test has seen enough
            $atur = read('atur.json', []);
        }
        return ['status' => 'OK'];
    }
}
