<?php
// Serves the services of this folder by PHP's own SoapServer. Its data lie in the document root; `atur.json` there says
// which faults a test wants.

chdir($_SERVER['DOCUMENT_ROOT']);
ini_set('display_errors', 'stderr');
ini_set('soap.wsdl_cache_dir', getcwd());
ini_set('soap.wsdl_cache_ttl', '3600');

/** A JSON document of the data. */
function read(string $file, array $otherwise): array
{
    return is_file($file) ? json_decode(file_get_contents($file), true) : $otherwise;
}

/** Fails as the test wants; returns its wishes. */
function fault(): array
{
    $atur = read('atur.json', []);
    if ($atur['gagal'] ?? null) {
        throw new SoapFault($atur['gagal'], 'NIK 3571010101900001 tidak ditemukan');
    }
    if (isset($atur['token']) && !str_contains(file_get_contents('php://input'), $atur['token'])) {
        throw new SoapFault('wsse:FailedAuthentication', 'siapa Anda?');
    }
    return $atur;
}

$atur = read('atur.json', []);
[$path] = explode('?', $_SERVER['REQUEST_URI']);
$name = basename($path);
if (isset($atur['sandi']) && ($_SERVER['PHP_AUTH_PW'] ?? '') !== $atur['sandi']) {
    http_response_code(401);
} elseif (isset($atur['status'])) {
    http_response_code($atur['status']);
    header('Content-Type: text/html');
    echo '<html>NIK 3571010101900001</html>';
} elseif (str_ends_with($name, '.xsd') && is_file(__DIR__ . "/$name")) {
    file_put_contents('permintaan', "$name\n", FILE_APPEND);
    header('Content-Type: text/xml');
    readfile(__DIR__ . "/$name");
} elseif (!is_file(__DIR__ . "/$name.php")) {
    http_response_code(404);
} elseif ($_SERVER['REQUEST_METHOD'] === 'GET') {
    file_put_contents('permintaan', "$name\n", FILE_APPEND);
    header('Content-Type: text/xml');
    echo strtr(file_get_contents(__DIR__ . "/$name.wsdl"), $atur['ubah'] ?? []);
} else {
    require __DIR__ . "/$name.php";
    $twelve = str_starts_with($_SERVER['CONTENT_TYPE'] ?? '', 'application/soap+xml');
    $server = new SoapServer(__DIR__ . "/$name.wsdl", ['soap_version' => $twelve ? SOAP_1_2 : SOAP_1_1]);
    $server->setClass($atur['kelas'] ?? ucfirst($name));
    ob_start();
    $server->handle();
    $answer = strtr(ob_get_clean(), $atur['jawab'] ?? []);
    header('Content-Length: ' . strlen($answer));
    echo $answer;
}
