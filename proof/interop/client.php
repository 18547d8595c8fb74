<?php
// PHP's password functions as a peer of the tests: one JSON command a line in, one JSON answer a line out.
while (($line = fgets(STDIN)) !== false) {
    $command = json_decode($line, true);
    $answer = match ($command['do']) {
        'about' => ['text' => 'PHP ' . PHP_VERSION],
        'hash' => ['text' => password_hash($command['password'], PASSWORD_BCRYPT, ['cost' => 4])],
        'check' => ['ok' => password_verify($command['password'], $command['hash'])],
    };
    echo json_encode($answer), "\n";
}
