<?php
/* What the two PHP programs share: reading the plan, values, printing. A line of the plan is an operation, its fields
 * separated by tabs; what run.py made of cases.txt. */

function unescape(string $field): string
{
    return preg_replace_callback('/\\\\(.)/', fn($m) => ['t' => "\t", 'n' => "\n"][$m[1]] ?? $m[1], $field);
}

/* KIND:TEXT as [the kind, PHP's value]. */
function value(string $text): array
{
    [$kind, $rest] = explode(':', $text, 2);
    return match ($kind) {
        'null', 'out' => [$kind, null],
        'int' => [$kind, (int)$rest],
        'double' => [$kind, (float)$rest],
        'blob' => [$kind, hex2bin($rest)],
        default => [$kind, $rest],
    };
}

function shown(mixed $value): string
{
    if (is_string($value) && strlen($value) > 400)
        return '(' . strlen($value) . ' bytes, ' . md5($value) . ')';
    if (is_string($value))
        return "'" . addcslashes($value, "\0..\37\\") . "'";
    return var_export($value, true);
}

function put_row(array $row): void
{
    echo 'row ', implode(' ', array_map('shown', $row)), "\n";
}

function options_of(array $words): array
{
    $options = [];
    foreach ($words as $word) {
        [$name, $text] = explode('=', $word, 2);
        $options[$name] = $text;
    }
    return $options;
}

/* A file with that content, its name put into the statement. */
function with_file(string $sql, string $content, callable $run): void
{
    $name = tempnam('/tmp', 'crossfade-load-');
    file_put_contents($name, $content);
    try {
        $run(str_replace('$FILE', $name, $sql));
    } finally {
        unlink($name);
    }
}

function big_content(int $size): string
{
    return substr(str_repeat("0123456789abcdef'\\\n\0", intdiv($size, 20) + 1), 0, $size);
}

class Unsupported extends Exception
{
}

/* Calls $scenario->do_OPERATION for every line. */
function run_plan(object $scenario, string $path): void
{
    set_error_handler(function (int $number, string $text) {
        echo "notice: $text\n";
        return true;
    });
    foreach (file($path, FILE_IGNORE_NEW_LINES) as $line) {
        $fields = array_map('unescape', explode("\t", $line));
        $operation = 'do_' . array_shift($fields);
        echo '> ', substr($line, 0, 180), "\n";
        try {
            if (!method_exists($scenario, $operation))
                throw new Unsupported(substr($operation, 3));
            $scenario->$operation(...$fields);
        } catch (Unsupported $e) {
            echo 'unsupported: ', $e->getMessage(), "\n";
        } catch (mysqli_sql_exception | PDOException $e) {
            $scenario->tell_error($e);
        } catch (Error | Exception $e) {
            echo 'driver: ', get_class($e), ': ', $e->getMessage(), "\n";
        }
    }
}
