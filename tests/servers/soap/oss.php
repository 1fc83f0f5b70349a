<?php
// A licensing service as the national one: applications are fetched from it, and it is told what became of permits.

final class Oss
{
    private function who(stdClass $masuk): void
    {
        fault();
        if ($masuk->kunci !== 'kunci-oss') {
            throw new SoapFault('Client.Authentication', 'kunci tidak dikenal');
        }
    }

    /** Applications that were changed since a time, in its order. */
    public function AmbilPermohonan(stdClass $masuk): array
    {
        $this->who($masuk);
        $sejak = strtotime($masuk->sejak ?? '2000-01-01');
        $daftar = array_filter(read('permohonan.json', []), fn ($baris) => strtotime($baris['diubah']) >= $sejak);
        usort($daftar, fn ($a, $b) => strtotime($a['diubah']) <=> strtotime($b['diubah']));
        $daftar = array_slice($daftar, (($masuk->halaman ?? 1) - 1) * $masuk->jumlah, $masuk->jumlah);
        return ['kode' => 200, 'daftar' => ['permohonan' => $daftar]];
    }

    /** What became of a permit, each message once. */
    public function KirimStatusIzin(stdClass $masuk): array
    {
        $this->who($masuk);
        if (!isset($masuk->izin->nib)) {
            return ['kode' => 200, 'keterangan' => 'bukan perizinan berusaha'];
        }
        if (!preg_match('/^\d{13}$/', $masuk->izin->nib)) {
            return ['kode' => 422, 'keterangan' => "NIB {$masuk->izin->nib} tidak dikenal"];
        }
        @mkdir('status');
        file_put_contents('status/' . sha1($masuk->idPesan), json_encode($masuk->izin));
        return ['kode' => 200];
    }
}
