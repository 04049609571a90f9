<?php
/* PHP's mysqli (mysqlnd) through the common scenario: php mysqli.php PLAN. */

require __DIR__ . '/common.php';

class MysqliScenario
{
    private ?mysqli $connection = null;
    private array $statements = [];

    public function tell_error(Exception $e): void
    {
        echo "error {$e->getCode()} {$e->getSqlState()} {$e->getMessage()}\n";
        foreach ($this->connection?->error_list ?? [] as $item)
            echo "  listed {$item['errno']} {$item['sqlstate']} {$item['error']}\n";
    }

    private function facts(): void
    {
        $c = $this->connection;
        echo "result affected={$c->affected_rows} insert_id={$c->insert_id} warnings={$c->warning_count} ",
            "fields={$c->field_count} info=", shown($c->info), "\n";
        if ($c->warning_count && ($warning = $c->get_warnings())) {
            do
                echo "  warning {$warning->errno} {$warning->sqlstate} {$warning->message}\n";
            while ($warning->next());
        }
    }

    private function put_columns(mysqli_result $result): void
    {
        foreach ($result->fetch_fields() as $f)
            echo "column {$f->name} | type={$f->type} charset={$f->charsetnr} | decimals={$f->decimals} {$f->db} {$f->table} ",
                "{$f->orgtable} {$f->orgname} length={$f->length} flags={$f->flags}\n";
    }

    private function put_results(): void
    {
        $c = $this->connection;
        do {
            if ($result = $c->store_result()) {
                $this->put_columns($result);
                while ($row = $result->fetch_row())
                    put_row($row);
                $result->free();
            }
            $this->facts();
        } while ($c->more_results() && $c->next_result());
    }

    public function do_section(string $name): void
    {
    }

    public function do_connect(string ...$words): void
    {
        $o = options_of($words);
        $this->statements = [];
        mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        $c = $this->connection = mysqli_init();
        $c->options(MYSQLI_OPT_LOCAL_INFILE, 1);
        $c->options(MYSQLI_SET_CHARSET_NAME, $o['charset'] ?? 'utf8mb4');
        $flags = (isset($o['found_rows']) ? MYSQLI_CLIENT_FOUND_ROWS : 0) | (isset($o['compress']) ? MYSQLI_CLIENT_COMPRESS : 0);
        if (getenv('DB_TLS') === '1')
            $flags |= MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT;
        $c->real_connect(getenv('DB_HOST'), $o['user'] ?? getenv('DB_USER'),
            $o['password'] ?? (isset($o['user']) ? '' : getenv('DB_PASSWORD')), $o['db'] ?? getenv('DB_NAME'),
            (int)getenv('DB_PORT'), null, $flags);
        echo "connected {$c->server_info} {$c->protocol_version} ", $c->character_set_name(), "\n";
        $this->facts();
    }

    public function do_query(string $sql): void
    {
        if (str_contains($sql, ';')) {
            $this->connection->multi_query($sql);
        } else {
            $this->connection->real_query($sql);
        }
        $this->put_results();
    }

    public function do_warnings(): void
    {
        $this->do_query('SHOW WARNINGS');
    }

    public function do_stream(string $sql, string $count): void
    {
        $result = $this->connection->query($sql, MYSQLI_USE_RESULT);
        while ((int)$count-- > 0 && $row = $result->fetch_row())
            put_row($row);
        $result->free();
        $this->facts();
    }

    public function do_async(string $sql): void
    {
        $this->connection->query($sql, MYSQLI_ASYNC | MYSQLI_STORE_RESULT);
        do {
            $read = $error = $reject = [$this->connection];
        } while (!mysqli_poll($read, $error, $reject, 5));
        $result = $this->connection->reap_async_query();
        while ($row = $result->fetch_row())
            put_row($row);
        $this->facts();
    }

    public function do_prepare(string $name, string $sql): void
    {
        unset($this->statements[$name]);
        $s = $this->statements[$name] = $this->connection->prepare($sql);
        echo "prepared params={$s->param_count} columns={$s->field_count}\n";
        if ($meta = $s->result_metadata())
            $this->put_columns($meta);
    }

    private function bind(mysqli_stmt $s, array $texts): void
    {
        $types = '';
        $values = [];
        foreach ($texts as $text) {
            [$kind, $value] = value($text);
            $types .= ['int' => 'i', 'double' => 'd'][$kind] ?? 's';
            $values[] = $value;
        }
        if ($values)
            $s->bind_param($types, ...$values);
    }

    private function put_statement(mysqli_stmt $s): void
    {
        do {
            if ($result = $s->get_result()) {
                $this->put_columns($result);
                while ($row = $result->fetch_row())
                    put_row($row);
                $result->free();
            }
            echo "statement affected={$s->affected_rows} insert_id={$s->insert_id} state={$s->sqlstate}\n";
            $this->facts();
        } while ($s->more_results() && $s->next_result());
    }

    public function do_execute(string $name, string ...$texts): void
    {
        $s = $this->statements[$name];
        $this->bind($s, $texts);
        $s->execute();
        $this->put_statement($s);
    }

    public function do_close(string $name): void
    {
        $this->statements[$name]->close();
        unset($this->statements[$name]);
    }

    public function do_cursor(string $sql, string $size, string ...$texts): void
    {
        $s = $this->connection->prepare($sql);
        $s->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
        $this->bind($s, $texts);
        $s->execute();
        $row = array_fill(0, $s->field_count, null);
        $s->bind_result(...$row);
        while ($s->fetch())
            put_row($row);
        $s->close();
        $this->facts();
    }

    public function do_many(string $sql, string ...$rows): void
    {
        $s = $this->connection->prepare($sql);
        foreach ($rows as $row) {
            $this->bind($s, explode(',', $row));
            $s->execute();
            $this->put_statement($s);
        }
        $s->close();
    }

    public function do_call(string $name, string ...$texts): void
    {
        $s = $this->connection->prepare("CALL $name(" . implode(', ', array_fill(0, count($texts), '?')) . ')');
        $this->bind($s, $texts);
        $s->execute();
        $this->put_statement($s);
        $s->close();
    }

    public function do_begin(): void
    {
        var_dump($this->connection->begin_transaction());
        $this->facts();
    }

    public function do_commit(): void
    {
        var_dump($this->connection->commit());
        $this->facts();
    }

    public function do_rollback(): void
    {
        var_dump($this->connection->rollback());
        $this->facts();
    }

    public function do_autocommit(string $switch): void
    {
        var_dump($this->connection->autocommit($switch === '1'));
        $this->facts();
    }

    public function do_ping(): void
    {
        var_dump($this->connection->ping());
    }

    public function do_select_db(string $name): void
    {
        var_dump($this->connection->select_db($name));
    }

    public function do_charset(string $name): void
    {
        var_dump($this->connection->set_charset($name));
        $charset = $this->connection->get_charset();
        echo "charset {$charset->charset} {$charset->collation} {$charset->number}\n";
    }

    public function do_change_user(string $user, string $password, string $database = ''): void
    {
        var_dump($this->connection->change_user($user, $password, $database));
        $this->facts();
    }

    public function do_load(string $sql, string $content = ''): void
    {
        with_file($sql, $content, fn($text) => $this->do_query($text));
    }

    /* By the binary protocol: whole, then in pieces (COM_STMT_SEND_LONG_DATA). */
    public function do_big(string $size): void
    {
        $content = big_content((int)$size);
        $s = $this->connection->prepare("INSERT INTO notes (title, body) VALUES ('big', ?)");
        $s->bind_param('s', $content);
        $s->execute();
        $this->put_statement($s);
        $null = null;
        $s->bind_param('b', $null);
        foreach (str_split($content, 5000000) as $piece)
            $s->send_long_data(0, $piece);
        $s->execute();
        $this->put_statement($s);
        $result = $this->connection->query("SELECT body, LENGTH(body) FROM notes WHERE title = 'big'");
        while ($row = $result->fetch_row()) {
            put_row($row);
            var_dump($row[0] === $content);
        }
        $s = $this->connection->prepare("SELECT title, body FROM notes WHERE title = 'big'");
        $s->execute();
        $this->put_statement($s);
        $this->do_query("DELETE FROM notes WHERE title = 'big'");
    }
}

ini_set('memory_limit', '-1');
ini_set('mysqli.allow_local_infile', '1');
run_plan(new MysqliScenario(), $argv[1]);
