// Go's go-sql-driver/mysql through the common scenario: go_scenario PLAN. PLAN is what run.py made of cases.txt: a line an
// operation, its fields separated by tabs. One connection is taken from database/sql's pool and kept.
package main

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

var (
	pool       *sql.DB
	connection *sql.Conn
	statements = map[string]*sql.Stmt{}
	texts      = map[string]string{}
	background = context.Background()
	transact   *sql.Tx
)

type unsupported string

func (u unsupported) Error() string { return string(u) }

func unescape(field string) string {
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+1 < len(field) {
			i++
			switch field[i] {
			case 't':
				b.WriteByte('\t')
			case 'n':
				b.WriteByte('\n')
			default:
				b.WriteByte(field[i])
			}
		} else {
			b.WriteByte(field[i])
		}
	}
	return b.String()
}

// KIND:TEXT as Go's value.
func value(text string) interface{} {
	at := strings.IndexByte(text, ':')
	kind, rest := text[:at], text[at+1:]
	switch kind {
	case "null", "out":
		return nil
	case "int":
		n, _ := strconv.ParseInt(rest, 10, 64)
		return n
	case "big":
		n, _ := strconv.ParseUint(rest, 10, 64)
		return n
	case "double":
		n, _ := strconv.ParseFloat(rest, 64)
		return n
	case "blob":
		b, _ := hex.DecodeString(rest)
		return b
	case "date":
		t, err := time.Parse("2006-01-02 15:04:05", rest)
		if err == nil {
			return t
		}
	}
	return rest
}

func values(texts []string) []interface{} {
	var found []interface{}
	for _, text := range texts {
		found = append(found, value(text))
	}
	return found
}

func shown(item interface{}) string {
	switch v := item.(type) {
	case []byte:
		if len(v) > 400 {
			return fmt.Sprintf("bytes(%d, %x)", len(v), md5.Sum(v))
		}
		return fmt.Sprintf("bytes%q", v)
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprintf("%T(%v)", item, item)
}

func putError(err error) {
	if e, ok := err.(*mysql.MySQLError); ok {
		fmt.Printf("error %d %s\n", e.Number, e.Message)
	} else if e, ok := err.(unsupported); ok {
		fmt.Printf("unsupported: %s\n", string(e))
	} else {
		fmt.Printf("error %T %v\n", err, err)
	}
}

func putColumns(rows *sql.Rows) int {
	types, err := rows.ColumnTypes()
	if err != nil {
		putError(err)
		return 0
	}
	for _, t := range types {
		length, hasLength := t.Length()
		precision, scale, hasScale := t.DecimalSize()
		nullable, hasNullable := t.Nullable()
		fmt.Printf("column %s | %s decimal=%d,%d,%v | %v length=%d,%v nullable=%v,%v\n", t.Name(), t.DatabaseTypeName(), precision, scale,
			hasScale, t.ScanType(), length, hasLength, nullable, hasNullable)
	}
	return len(types)
}

func putRows(rows *sql.Rows, limit int) error {
	defer rows.Close()
	for {
		count := putColumns(rows)
		for rows.Next() {
			if limit--; limit < 0 {
				return nil
			}
			row := make([]interface{}, count)
			pointers := make([]interface{}, count)
			for i := range row {
				pointers[i] = &row[i]
			}
			if err := rows.Scan(pointers...); err != nil {
				return err
			}
			line := "row"
			for _, item := range row {
				line += " " + shown(item)
			}
			fmt.Println(line)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if !rows.NextResultSet() {
			return rows.Err()
		}
	}
}

func putResult(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	affected, _ := result.RowsAffected()
	id, _ := result.LastInsertId()
	fmt.Printf("result affected=%d insert_id=%d\n", affected, id)
	return nil
}

// Whether a statement gives rows, by its first word.
func reads(text string) bool {
	word := strings.ToUpper(strings.Fields(text + " ")[0])
	return strings.Contains("SELECT SHOW CALL WITH", word) || strings.Contains(strings.ToUpper(text), "RETURNING")
}

func query(text string, arguments ...interface{}) error {
	if transact != nil {
		return queryWith(transact, text, arguments...)
	}
	return queryWith(connection, text, arguments...)
}

type querier interface {
	QueryContext(context.Context, string, ...interface{}) (*sql.Rows, error)
	ExecContext(context.Context, string, ...interface{}) (sql.Result, error)
}

func queryWith(q querier, text string, arguments ...interface{}) error {
	if !reads(text) {
		return putResult(q.ExecContext(background, text, arguments...))
	}
	rows, err := q.QueryContext(background, text, arguments...)
	if err != nil {
		return err
	}
	return putRows(rows, 1<<30)
}

func connect(words []string) error {
	o := map[string]string{}
	for _, word := range words {
		at := strings.IndexByte(word, '=')
		o[word[:at]] = word[at+1:]
	}
	if connection != nil {
		connection.Close()
		pool.Close()
		connection, transact = nil, nil
	}
	if o["compress"] != "" {
		return unsupported("compression")
	}
	choose := func(name, otherwise string) string {
		if text, given := o[name]; given {
			return text
		}
		return otherwise
	}
	password := os.Getenv("DB_PASSWORD")
	if o["user"] != "" {
		password = ""
	}
	config := mysql.NewConfig()
	config.User, config.Passwd = choose("user", os.Getenv("DB_USER")), choose("password", password)
	config.Net, config.Addr = "tcp", os.Getenv("DB_HOST")+":"+os.Getenv("DB_PORT")
	config.DBName = choose("db", os.Getenv("DB_NAME"))
	config.Params = map[string]string{"charset": choose("charset", "utf8mb4")}
	config.MultiStatements = o["multi"] != ""
	config.ClientFoundRows = o["found_rows"] != ""
	config.AllowAllFiles = true
	config.MaxAllowedPacket = 0
	if os.Getenv("DB_TLS") == "1" {
		mysql.RegisterTLSConfig("any", &tls.Config{InsecureSkipVerify: true})
		config.TLSConfig = "any"
	}
	var err error
	if pool, err = sql.Open("mysql", config.FormatDSN()); err != nil {
		return err
	}
	connection, err = pool.Conn(background)
	if err == nil {
		fmt.Println("connected")
	}
	return err
}

func big(size int) error {
	content := make([]byte, size)
	for i := range content {
		content[i] = "0123456789abcdef'\\\n\x00"[i%20]
	}
	if err := query("INSERT INTO notes (title, body) VALUES ('big', ?)", content); err != nil {
		return err
	}
	for _, arguments := range [][]interface{}{{}, {"big"}} {
		text := "SELECT body, LENGTH(body) FROM notes WHERE title = 'big'"
		if len(arguments) > 0 {
			text = strings.Replace(text, "'big'", "?", 1)
		}
		if err := query(text, arguments...); err != nil {
			return err
		}
	}
	fmt.Printf("sent %s\n", shown(content))
	return query("DELETE FROM notes WHERE title = 'big'")
}

func load(text, content string) error {
	file, err := os.CreateTemp("", "crossfade-load-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	file.WriteString(content)
	file.Close()
	return query(strings.Replace(text, "$FILE", file.Name(), 1))
}

func execute(name string, arguments []interface{}) error {
	statement := statements[name]
	if statement == nil {
		return unsupported("not prepared")
	}
	if !reads(texts[name]) {
		return putResult(statement.ExecContext(background, arguments...))
	}
	rows, err := statement.QueryContext(background, arguments...)
	if err != nil {
		return err
	}
	return putRows(rows, 1<<30)
}

func many(text string, rows []string) error {
	statement, err := connection.PrepareContext(background, text)
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, row := range rows {
		if err := putResult(statement.ExecContext(background, values(strings.Split(row, ","))...)); err != nil {
			return err
		}
	}
	return nil
}

func run(operation string, f []string) (err error) {
	switch operation {
	case "section":
	case "connect":
		return connect(f)
	case "query":
		if strings.Contains(f[0], "; SELECT nothing") {
			return unsupported("an error behind a result, for which this driver waits for ever")
		}
		return query(f[0])
	case "warnings":
		return query("SHOW WARNINGS")
	case "stream":
		limit, _ := strconv.Atoi(f[1])
		rows, err := connection.QueryContext(background, f[0])
		if err != nil {
			return err
		}
		return putRows(rows, limit)
	case "prepare":
		delete(statements, f[0])
		texts[f[0]] = f[1]
		statement, err := connection.PrepareContext(background, f[1])
		if err == nil {
			statements[f[0]] = statement
		}
		return err
	case "execute":
		return execute(f[0], values(f[1:]))
	case "close":
		if statement := statements[f[0]]; statement != nil {
			delete(statements, f[0])
			return statement.Close()
		}
	case "many":
		return many(f[0], f[1:])
	case "begin":
		transact, err = connection.BeginTx(background, nil)
	case "commit", "rollback":
		if transact == nil {
			return query(strings.ToUpper(operation))
		}
		if operation == "commit" {
			err = transact.Commit()
		} else {
			err = transact.Rollback()
		}
		transact = nil
	case "autocommit":
		return query("SET autocommit = " + f[0])
	case "ping":
		err = connection.PingContext(background)
		fmt.Println("ping", err)
	case "reset": // what the pool does before it gives a connection out again
		err = connection.Raw(func(c interface{}) error { return c.(driver.SessionResetter).ResetSession(background) })
		fmt.Println("reset", err)
	case "load":
		content := ""
		if len(f) > 1 {
			content = f[1]
		}
		return load(f[0], content)
	case "big":
		size, _ := strconv.Atoi(f[0])
		return big(size)
	default:
		return unsupported(operation)
	}
	return err
}

func main() {
	mysql.SetLogger(quiet{})
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		fields := strings.Split(line, "\t")
		for i := range fields {
			fields[i] = unescape(fields[i])
		}
		if len(line) > 180 {
			line = line[:180]
		}
		fmt.Println(">", line)
		func() {
			defer func() {
				if caught := recover(); caught != nil {
					fmt.Println("driver:", reflect.TypeOf(caught), caught)
				}
			}()
			if err := run(fields[0], fields[1:]); err != nil {
				putError(err)
			}
		}()
	}
}

type quiet struct{}

func (quiet) Print(...interface{}) {}
