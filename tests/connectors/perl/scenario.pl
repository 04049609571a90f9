# Perl's DBD::MariaDB through the common scenario: perl scenario.pl PLAN. PLAN is what run.py made of cases.txt: a line an
# operation, its fields separated by tabs.

use strict;
use warnings;
use utf8;
use DBI qw(:sql_types);
use Digest::MD5 qw(md5_hex);
use Encode qw(encode_utf8 decode_utf8);
use File::Temp;

binmode STDOUT, ':encoding(UTF-8)';
$| = 1;

my ($connection, %statements);

sub unescape {
    my ($field) = @_;
    my %plain = (t => "\t", n => "\n");
    $field =~ s/\\(.)/$plain{$1} \/\/ $1/ge;
    return $field;
}

sub shown {
    my ($value) = @_;
    return 'NULL' unless defined $value;
    my $bytes = utf8::is_utf8($value) ? encode_utf8($value) : $value;
    return '(' . length($value) . ', ' . md5_hex($bytes) . ')' if length($value) > 400;
    $value =~ s/([\x00-\x1f\\\x7f-\xff])/sprintf('\\x{%x}', ord $1)/ge;
    return "'$value'" . (utf8::is_utf8($_[0]) ? 'u' : '');
}

# KIND:TEXT as [value, SQL type].
sub value {
    my ($kind, $rest) = split /:/, $_[0], 2;
    return [undef, SQL_VARCHAR] if $kind eq 'null' or $kind eq 'out';
    return [$rest + 0, SQL_INTEGER] if $kind eq 'int';
    return [$rest, SQL_BIGINT] if $kind eq 'big';
    return [$rest + 0, SQL_DOUBLE] if $kind eq 'double';
    return [pack('H*', $rest), SQL_LONGVARBINARY] if $kind eq 'blob';
    return [$rest, SQL_VARCHAR];
}

sub put_facts {
    my ($handle) = @_;
    my $c = $connection;
    print 'result rows=', ($handle ? $handle->rows : '-'), ' insert_id=', $c->last_insert_id // 'NULL',
        ' info=', $c->{mariadb_info} // '-', ' warnings=', $c->{mariadb_warning_count} // '-',
        ' autocommit=', $c->{AutoCommit} ? 1 : 0, "\n";
}

sub put_results {
    my ($s) = @_;
    do {
        if ($s->{NUM_OF_FIELDS}) {
            for my $i (0 .. $s->{NUM_OF_FIELDS} - 1) {
                print "column $s->{NAME}[$i] | type=$s->{TYPE}[$i]",
                    " mariadb=$s->{mariadb_type}[$i] $s->{mariadb_type_name}[$i] num=", $s->{mariadb_is_num}[$i] ? 1 : 0,
                    " blob=", $s->{mariadb_is_blob}[$i] ? 1 : 0, " | table=$s->{mariadb_table}[$i] scale=", $s->{SCALE}[$i] // '-',
                    " precision=$s->{PRECISION}[$i]",
                    " nullable=", $s->{NULLABLE}[$i] ? 1 : 0, " key=", $s->{mariadb_is_key}[$i] ? 1 : 0, " pri=",
                    $s->{mariadb_is_pri_key}[$i] ? 1 : 0, " auto=", $s->{mariadb_is_auto_increment}[$i] ? 1 : 0, "\n";
            }
            while (my $row = $s->fetchrow_arrayref) {
                print 'row ', join(' ', map { shown($_) } @$row), "\n";
            }
        }
        put_facts($s);
    } while (!$s->{mariadb_server_prepare} and $s->more_results);
}

my %operations;
%operations = (
    section => sub { },
    connect => sub {
        my %o = map { split /=/, $_, 2 } @_;
        %statements = ();
        if ($connection) {
            eval { $connection->disconnect };
            undef $connection;
        }
        my $dsn = "DBI:MariaDB:host=$ENV{DB_HOST};port=$ENV{DB_PORT};database=" . ($o{db} // $ENV{DB_NAME})
            . ';mariadb_local_infile=1;mariadb_max_allowed_packet=1000000000';
        $dsn .= ';mariadb_client_found_rows=' . ($o{found_rows} ? 1 : 0);
        $dsn .= ';mariadb_compression=1' if $o{compress};
        $dsn .= ';mariadb_multi_statements=1' if $o{multi};
        $dsn .= ';mariadb_ssl=1;mariadb_ssl_verify_server_cert=1;mariadb_ssl_ca_file=' . $ENV{DB_CA} if $ENV{DB_TLS} eq '1';
        die { unsupported => 'the connection is always utf8mb4' } if $o{charset};
        $connection = DBI->connect($dsn, $o{user} // $ENV{DB_USER}, $o{password} // ($o{user} ? '' : $ENV{DB_PASSWORD}),
            { RaiseError => 1, PrintError => 0, AutoCommit => 1, mariadb_auto_reconnect => 0 });
        print "connected $connection->{mariadb_serverinfo} $connection->{mariadb_protoinfo}\n";
    },
    query => sub {
        my $s = $connection->prepare($_[0], { mariadb_server_prepare => 0 });
        $s->execute;
        put_results($s);
    },
    warnings => sub { $operations{query}->('SHOW WARNINGS') },
    stream => sub {
        my ($sql, $count) = @_;
        my $s = $connection->prepare($sql, { mariadb_use_result => 1 });
        $s->execute;
        while ($count-- > 0 and my $row = $s->fetchrow_arrayref) {
            print 'row ', join(' ', map { shown($_) } @$row), "\n";
        }
        $s->finish;
        put_facts(undef);
    },
    async => sub {
        my $s = $connection->prepare($_[0], { mariadb_async => 1 });
        $s->execute;
        select undef, undef, undef, 0.005 until $s->mariadb_async_ready;
        print 'result ', $s->mariadb_async_result, "\n";
        while (my $row = $s->fetchrow_arrayref) {
            print 'row ', join(' ', map { shown($_) } @$row), "\n";
        }
    },
    prepare => sub {
        my ($name, $sql) = @_;
        delete $statements{$name};
        die { unsupported => 'several results of a prepared statement' } if $sql =~ /^CALL/;
        $statements{$name} = [$connection->prepare($sql, { mariadb_server_prepare => 1, mariadb_server_prepare_disable_fallback => 0 }),
            $connection->prepare($sql, { mariadb_server_prepare => 0 })];
        print "prepared params=$statements{$name}[0]{NUM_OF_PARAMS}\n";
    },
    # By the binary protocol, and what only reads also by values that the driver puts into the text.
    execute => sub {
        my ($name, @texts) = @_;
        die { unsupported => 'not prepared' } unless $statements{$name};
        for my $s (@{ $statements{$name} }) {
            next if $s == $statements{$name}[1] and $s->{Statement} !~ /^SELECT/;
            my $n = 0;
            for my $text (@texts) {
                my ($value, $type) = @{ value($text) };
                $s->bind_param(++$n, $value, $type);
            }
            $s->execute;
            put_results($s);
        }
    },
    close => sub { delete $statements{ $_[0] } },
    many => sub {
        my ($sql, @rows) = @_;
        my $s = $connection->prepare($sql, { mariadb_server_prepare => 1 });
        my @columns;
        for my $row (@rows) {
            my $n = 0;
            push @{ $columns[$n++] }, value($_)->[0] for split /,/, $row;
        }
        my @status;
        my $done = eval { $s->execute_array({ ArrayTupleStatus => \@status }, @columns) };
        print 'array ', $done // 'failed', ' ', join(' ', map { ref $_ ? "[@{$_}[0 .. 2]]" : $_ } @status), "\n";
        put_facts($s);
    },
    call => sub {
        my ($name, @texts) = @_;
        my $s = $connection->prepare("CALL $name(" . join(', ', map { $_ eq 'out:' ? '@out' : '@in' } @texts) . ')');
        $connection->do('SET @in = ?', undef, value($texts[0])->[0]);
        $s->execute;
        put_results($s);
    },
    begin => sub { print $connection->begin_work, "\n"; put_facts(undef) },
    commit => sub { print $connection->commit, "\n"; put_facts(undef) },
    rollback => sub { print $connection->rollback, "\n"; put_facts(undef) },
    autocommit => sub { $connection->{AutoCommit} = $_[0]; put_facts(undef) },
    ping => sub { print 'ping ', $connection->ping ? 1 : 0, "\n" },
    load => sub {
        my ($sql, $content) = @_;
        my $file = File::Temp->new;
        binmode $file, ':encoding(UTF-8)';
        print {$file} $content // '';
        close $file;
        my $name = $file->filename;
        $sql =~ s/\$FILE/$name/;
        $operations{query}->($sql);
    },
    big => sub {
        my ($size) = @_;
        my $content = substr("0123456789abcdef'\\\n\0" x ($size / 20 + 1), 0, $size);
        for my $prepare (0, 1) {
            my $s = $connection->prepare("INSERT INTO notes (title, body) VALUES ('big', ?)", { mariadb_server_prepare => $prepare });
            $s->bind_param(1, $content, SQL_LONGVARBINARY);
            $s->execute;
            put_facts($s);
            $s = $connection->prepare("SELECT body, LENGTH(body) FROM notes WHERE title = 'big'", { mariadb_server_prepare => $prepare });
            $s->execute;
            while (my ($body, $length) = $s->fetchrow_array) {
                print length($body), " $length ", md5_hex($body), ' ', $body eq $content ? 1 : 0, "\n";
            }
        }
        $operations{query}->("DELETE FROM notes WHERE title = 'big'");
    },
);

open my $plan, '<:encoding(UTF-8)', $ARGV[0] or die;
while (my $line = <$plan>) {
    chomp $line;
    my ($operation, @fields) = map { unescape($_) } split /\t/, $line, -1;
    print '> ', substr($line, 0, 180), "\n";
    my $run = $operations{$operation};
    if (!$run) {
        print "unsupported: $operation\n";
        next;
    }
    eval { $run->(@fields); 1 } or do {
        my $error = $@;
        if (ref $error) {
            print "unsupported: $error->{unsupported}\n";
        } elsif ($DBI::err) {
            print "error $DBI::err ", $DBI::state // '-', ' ', $DBI::errstr // '-', "\n";
        } else {
            print "driver: $error\n";
        }
    };
}
