<?php
/* PHP's PDO_MYSQL through the common scenario: php pdo.php PLAN. Queries go by the text protocol; prepared statements
 * by the binary one (emulation off), and each `execute` once more by emulation, which puts the values into the text. */

require __DIR__ . '/common.php';

class PdoScenario
{
    private ?PDO $connection = null;
    private array $texts = [];
    private array $statements = [];

    public function tell_error(Exception $e): void
    {
        echo 'error ', implode(' ', array_map('shown', $e->errorInfo ?? [])), " {$e->getCode()} {$e->getMessage()}\n";
    }

    private function put_results(PDOStatement $s): void
    {
        do {
            for ($i = 0; $i < $s->columnCount(); $i++) {
                if (!($meta = $s->getColumnMeta($i)))
                    continue;
                echo "column {$meta['name']} | ", $meta['native_type'] ?? '-', " {$meta['pdo_type']} | precision={$meta['precision']} ",
                    $meta['table'] ?? '-', " length={$meta['len']} flags=", implode(',', $meta['flags']), "\n";
            }
            while ($s->columnCount() && $row = $s->fetch(PDO::FETCH_NUM))
                put_row($row);
            echo "result affected={$s->rowCount()} insert_id={$this->connection->lastInsertId()} ",
                implode(' ', array_map('shown', $s->errorInfo())), "\n";
        } while ($s->nextRowset());
    }

    public function do_section(string $name): void
    {
    }

    public function do_connect(string ...$words): void
    {
        $o = options_of($words);
        $this->statements = [];
        $this->connection = null;
        $settings = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::MYSQL_ATTR_LOCAL_INFILE => true,
            PDO::ATTR_EMULATE_PREPARES => false, PDO::MYSQL_ATTR_MULTI_STATEMENTS => isset($o['multi']),
            PDO::MYSQL_ATTR_FOUND_ROWS => isset($o['found_rows']), PDO::MYSQL_ATTR_COMPRESS => isset($o['compress'])];
        if (getenv('DB_TLS') === '1')
            $settings += [PDO::MYSQL_ATTR_SSL_CA => '', PDO::MYSQL_ATTR_SSL_CIPHER => 'DEFAULT', PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => false];
        $database = $o['db'] ?? getenv('DB_NAME');
        $this->connection = new PDO('mysql:host=' . getenv('DB_HOST') . ';port=' . getenv('DB_PORT') . ";dbname=$database;charset="
            . ($o['charset'] ?? 'utf8mb4'), $o['user'] ?? getenv('DB_USER'),
            $o['password'] ?? (isset($o['user']) ? '' : getenv('DB_PASSWORD')), $settings);
        echo 'connected ', $this->connection->getAttribute(PDO::ATTR_SERVER_VERSION), ' ',
            $this->connection->getAttribute(PDO::ATTR_CLIENT_VERSION), "\n";
    }

    public function do_query(string $sql): void
    {
        $this->connection->setAttribute(PDO::ATTR_EMULATE_PREPARES, true);
        try {
            $this->put_results($this->connection->query($sql));
        } finally {
            $this->connection?->setAttribute(PDO::ATTR_EMULATE_PREPARES, false);
        }
    }

    public function do_warnings(): void
    {
        $this->do_query('SHOW WARNINGS');
    }

    public function do_stream(string $sql, string $count): void
    {
        $this->connection->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, false);
        $s = $this->connection->query($sql);
        while ((int)$count-- > 0 && $row = $s->fetch(PDO::FETCH_NUM))
            put_row($row);
        $s->closeCursor();
        $this->connection->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, true);
    }

    public function do_prepare(string $name, string $sql): void
    {
        unset($this->statements[$name]);
        if (str_starts_with($sql, 'CALL'))
            throw new Unsupported('several results of a prepared statement, at which PHP crashes the second time');
        $this->texts[$name] = $sql;
        $this->statements[$name] = $this->connection->prepare($sql);
        echo "prepared columns={$this->statements[$name]->columnCount()}\n";
    }

    private function run(PDOStatement $s, array $texts): void
    {
        foreach ($texts as $i => $text) {
            [$kind, $value] = value($text);
            $s->bindValue($i + 1, $value, ['int' => PDO::PARAM_INT, 'null' => PDO::PARAM_NULL, 'blob' => PDO::PARAM_LOB][$kind] ?? PDO::PARAM_STR);
        }
        $s->execute();
        $this->put_results($s);
    }

    public function do_execute(string $name, string ...$texts): void
    {
        if (!isset($this->statements[$name]))
            throw new Unsupported('not prepared');
        $this->run($this->statements[$name], $texts);
        if (stripos($this->texts[$name], 'SELECT') === 0) {
            $emulated = $this->connection->prepare($this->texts[$name], [PDO::ATTR_EMULATE_PREPARES => true]);
            $this->run($emulated, $texts);
        }
    }

    public function do_close(string $name): void
    {
        unset($this->statements[$name]);
    }

    public function do_many(string $sql, string ...$rows): void
    {
        $s = $this->connection->prepare($sql);
        foreach ($rows as $row)
            $this->run($s, explode(',', $row));
    }

    public function do_call(string $name, string ...$texts): void
    {
        $s = $this->connection->prepare("CALL $name(" . implode(', ', array_fill(0, count($texts), '?')) . ')');
        $this->run($s, $texts);
    }

    public function do_begin(): void
    {
        var_dump($this->connection->beginTransaction(), $this->connection->inTransaction());
    }

    public function do_commit(): void
    {
        var_dump($this->connection->commit(), $this->connection->inTransaction());
    }

    public function do_rollback(): void
    {
        var_dump($this->connection->rollBack(), $this->connection->inTransaction());
    }

    public function do_autocommit(string $switch): void
    {
        var_dump($this->connection->setAttribute(PDO::ATTR_AUTOCOMMIT, (int)$switch), $this->connection->inTransaction());
    }

    public function do_load(string $sql, string $content = ''): void
    {
        with_file($sql, $content, fn($text) => $this->do_query($text));
    }

    public function do_big(string $size): void
    {
        $content = big_content((int)$size);
        $this->connection->prepare("INSERT INTO notes (title, body) VALUES ('big', ?)")->execute([$content]);
        $this->connection->exec("INSERT INTO notes (title, body) VALUES ('big', " . $this->connection->quote($content) . ')');
        foreach ([true, false] as $emulate) {
            $s = $this->connection->prepare("SELECT body, LENGTH(body) FROM notes WHERE title = 'big'", [PDO::ATTR_EMULATE_PREPARES => $emulate]);
            $s->execute();
            while ($row = $s->fetch(PDO::FETCH_NUM)) {
                put_row($row);
                var_dump($row[0] === $content);
            }
        }
        $this->do_query("DELETE FROM notes WHERE title = 'big'");
    }
}

ini_set('memory_limit', '-1');
run_plan(new PdoScenario(), $argv[1]);
