import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.*;
import java.util.*;

/**
 * MariaDB Connector/J through the common scenario: java Scenario PLAN. PLAN is what run.py made of cases.txt: a line an
 * operation, its fields separated by tabs. Prepared statements are the server's (useServerPrepStmts) and, where they
 * read, the driver's own too; batches are sent in bulk.
 */
public class Scenario {
    private Connection connection, emulated;
    private final Map<String, PreparedStatement> statements = new HashMap<>();
    private final Map<String, String> texts = new HashMap<>();
    

    static class Unsupported extends RuntimeException {
        Unsupported(String what) {
            super(what);
        }
    }

    static String unescape(String field) {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i < field.length(); i++) {
            char c = field.charAt(i);
            if (c == '\\' && i + 1 < field.length()) {
                c = field.charAt(++i);
                c = c == 't' ? '\t' : c == 'n' ? '\n' : c;
            }
            b.append(c);
        }
        return b.toString();
    }

    /** KIND:TEXT as the parameter of that number. */
    static void bind(PreparedStatement s, int n, String text) throws SQLException {
        String kind = text.substring(0, text.indexOf(':')), rest = text.substring(text.indexOf(':') + 1);
        switch (kind) {
            case "null": case "out": s.setNull(n, Types.VARCHAR); break;
            case "int": s.setInt(n, Integer.parseInt(rest)); break;
            case "big": s.setObject(n, new BigInteger(rest)); break;
            case "double": s.setDouble(n, Double.parseDouble(rest)); break;
            case "blob": s.setBytes(n, HexFormat.of().parseHex(rest)); break;
            case "date": s.setTimestamp(n, Timestamp.valueOf(rest)); break;
            default: s.setString(n, rest);
        }
    }

    static String hash(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(bytes));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    static String shown(Object item) {
        if (item == null) return "null";
        if (item instanceof byte[]) {
            byte[] bytes = (byte[]) item;
            return bytes.length > 200 ? "bytes(" + bytes.length + ", " + hash(bytes) + ")" : "bytes(" + HexFormat.of().formatHex(bytes) + ")";
        }
        if (item instanceof Blob) {
            try {
                Blob blob = (Blob) item;
                return shown(blob.getBytes(1, (int) blob.length()));
            } catch (SQLException e) {
                return e.toString();
            }
        }
        String text = item.toString();
        if (text.length() > 400) text = "(" + text.length() + ", " + hash(text.getBytes(StandardCharsets.UTF_8)) + ")";
        return item.getClass().getSimpleName() + "'" + text.replace("\n", "\\n").replace("\0", "\\0") + "'";
    }

    static void say(Object... words) {
        StringBuilder b = new StringBuilder();
        for (Object word : words) b.append(b.length() > 0 ? " " : "").append(word);
        System.out.println(b);
    }

    void putWarnings(SQLWarning w) {
        for (; w != null; w = w.getNextWarning()) say("  warning", w.getErrorCode(), w.getSQLState(), w.getMessage());
    }

    void putColumns(ResultSetMetaData m) throws SQLException {
        for (int i = 1; i <= m.getColumnCount(); i++)
            say("column", m.getColumnLabel(i), "|", m.getColumnTypeName(i), m.getColumnType(i), m.getColumnClassName(i),
                "|", "scale=" + m.getScale(i), m.getCatalogName(i), m.getTableName(i), m.getColumnName(i), "precision=" + m.getPrecision(i), "display=" + m.getColumnDisplaySize(i),
                "nullable=" + m.isNullable(i), "auto=" + m.isAutoIncrement(i), "signed=" + m.isSigned(i), "writable=" + m.isWritable(i),
                "case=" + m.isCaseSensitive(i));
    }

    void putRows(ResultSet r, int limit) throws SQLException {
        putColumns(r.getMetaData());
        int count = r.getMetaData().getColumnCount();
        while (limit-- > 0 && r.next()) {
            StringBuilder b = new StringBuilder("row");
            for (int i = 1; i <= count; i++) {
                String text;
                try {
                    text = shown(r.getObject(i));
                } catch (SQLException | RuntimeException e) {
                    text = "[" + e.getMessage() + "]";
                }
                b.append(' ').append(text);
            }
            say(b);
        }
    }

    void putResults(Statement s, boolean rows) throws SQLException {
        for (;;) {
            if (rows) {
                try (ResultSet r = s.getResultSet()) {
                    putRows(r, Integer.MAX_VALUE);
                }
            } else {
                int count = s.getUpdateCount();
                if (count == -1) break;
                say("result updated", count);
                try (ResultSet keys = s.getGeneratedKeys()) {
                    while (keys.next()) say("  key", shown(keys.getObject(1)));
                }
            }
            rows = s.getMoreResults();
        }
        putWarnings(s.getWarnings());
    }

    Connection open(Map<String, String> o, String more) throws SQLException {
        Map<String, String> e = System.getenv();
        String url = "jdbc:mariadb://" + e.get("DB_HOST") + ":" + e.get("DB_PORT") + "/" + o.getOrDefault("db", e.get("DB_NAME"))
            + "?allowLocalInfile=true&useBulkStmts=true&useCompression=" + o.containsKey("compress") + "&allowMultiQueries="
            + o.containsKey("multi") + "&useAffectedRows=" + !o.containsKey("found_rows") + "&serverTimezone=UTC&" + more
            + (e.get("DB_TLS").equals("1") ? "&useSsl=true&trustServerCertificate=true" : "&useSsl=false");
        Properties p = new Properties();
        p.setProperty("user", o.getOrDefault("user", e.get("DB_USER")));
        p.setProperty("password", o.getOrDefault("password", o.containsKey("user") ? "" : e.get("DB_PASSWORD")));
        return DriverManager.getConnection(url, p);
    }

    void connect(List<String> words) throws SQLException {
        Map<String, String> o = new HashMap<>();
        for (String word : words) o.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
        statements.clear();
        if (connection != null) connection.close();
        if (emulated != null) emulated.close();
        connection = emulated = null;
        if (o.containsKey("charset")) throw new Unsupported("the connection is always utf8mb4");
        connection = open(o, "useServerPrepStmts=true");
        emulated = open(o, "useServerPrepStmts=false");
        DatabaseMetaData m = connection.getMetaData();
        say("connected", m.getDatabaseProductName(), m.getDatabaseProductVersion(), connection.getTransactionIsolation());
    }

    void query(String sql) throws SQLException {
        try (Statement s = connection.createStatement()) {
            putResults(s, s.execute(sql, Statement.RETURN_GENERATED_KEYS));
        }
    }

    void stream(String sql, int limit) throws SQLException {
        try (Statement s = connection.createStatement()) {
            s.setFetchSize(1);
            try (ResultSet r = s.executeQuery(sql)) {
                putRows(r, limit);
            }
        }
    }

    void prepare(String name, String sql) throws SQLException {
        statements.remove(name);
        PreparedStatement s = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS);
        statements.put(name, s);
        texts.put(name, sql);
        ParameterMetaData p = s.getParameterMetaData();
        say("prepared", p.getParameterCount());
        if (s.getMetaData() != null) putColumns(s.getMetaData());
    }

    void execute(String name, List<String> values) throws SQLException {
        PreparedStatement s = statements.get(name);
        if (s == null) throw new Unsupported("not prepared");
        for (int i = 0; i < values.size(); i++) bind(s, i + 1, values.get(i));
        putResults(s, s.execute());
        if (!texts.get(name).startsWith("SELECT")) return;
        try (PreparedStatement again = emulated.prepareStatement(texts.get(name))) {
            for (int i = 0; i < values.size(); i++) bind(again, i + 1, values.get(i));
            putResults(again, again.execute());
        }
    }

    void many(String sql, List<String> rows) throws SQLException {
        try (PreparedStatement s = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
            for (String row : rows) {
                String[] items = row.split(",");
                for (int i = 0; i < items.length; i++) bind(s, i + 1, items[i]);
                s.addBatch();
            }
            say("batch", Arrays.toString(s.executeBatch()));
            try (ResultSet keys = s.getGeneratedKeys()) {
                while (keys.next()) say("  key", shown(keys.getObject(1)));
            }
        }
    }

    void call(String name, List<String> values) throws SQLException {
        String marks = String.join(", ", Collections.nCopies(values.size(), "?"));
        try (CallableStatement s = connection.prepareCall("{call " + name + "(" + marks + ")}")) {
            for (int i = 0; i < values.size(); i++) {
                if (values.get(i).startsWith("out:")) s.registerOutParameter(i + 1, Types.INTEGER);
                else bind(s, i + 1, values.get(i));
            }
            putResults(s, s.execute());
            for (int i = 0; i < values.size(); i++) if (values.get(i).startsWith("out:")) say("out", s.getObject(i + 1));
        }
    }

    void load(String sql, String content) throws Exception {
        Path file = Files.createTempFile("crossfade-load-", "");
        try {
            Files.writeString(file, content);
            query(sql.replace("$FILE", file.toString()));
        } finally {
            Files.delete(file);
        }
    }

    void big(int size) throws SQLException {
        byte[] content = new byte[size];
        for (int i = 0; i < size; i++) content[i] = (byte) "0123456789abcdef'\\\n\0".charAt(i % 20);
        say("sent", shown(content));
        for (Connection c : new Connection[] {connection, emulated}) {
            try (PreparedStatement s = c.prepareStatement("INSERT INTO notes (title, body) VALUES ('big', ?)")) {
                if (c == connection) s.setBinaryStream(1, new ByteArrayInputStream(content));
                else s.setBytes(1, content);
                say("stored", s.executeUpdate());
            }
            try (PreparedStatement s = c.prepareStatement("SELECT body, LENGTH(body) FROM notes WHERE title = 'big'")) {
                putResults(s, s.execute());
            }
        }
        query("DELETE FROM notes WHERE title = 'big'");
    }

    void changes(String operation, List<String> f) throws SQLException {
        switch (operation) {
            case "begin": connection.setAutoCommit(false); break;
            case "commit": connection.commit(); connection.setAutoCommit(true); break;
            case "rollback": connection.rollback(); connection.setAutoCommit(true); break;
            case "autocommit": connection.setAutoCommit(f.get(0).equals("1")); break;
            case "select_db": connection.setCatalog(f.get(0)); say(connection.getCatalog()); break;
            case "ping": say("valid", connection.isValid(5)); break;
            case "reset": ((org.mariadb.jdbc.MariaDbConnection) connection).reset(); break;
            default: throw new Unsupported(operation);
        }
        say("autocommit", connection.getAutoCommit());
    }

    void run(String operation, List<String> f) throws Exception {
        switch (operation) {
            case "section": break;
            case "connect": connect(f); break;
            case "query": query(f.get(0)); break;
            case "warnings": query("SHOW WARNINGS"); break;
            case "stream": stream(f.get(0), Integer.parseInt(f.get(1))); break;
            case "prepare": prepare(f.get(0), f.get(1)); break;
            case "execute": execute(f.get(0), f.subList(1, f.size())); break;
            case "close": if (statements.containsKey(f.get(0))) statements.remove(f.get(0)).close(); break;
            case "many": many(f.get(0), f.subList(1, f.size())); break;
            case "call": call(f.get(0), f.subList(1, f.size())); break;
            case "load": load(f.get(0), f.size() > 1 ? f.get(1) : ""); break;
            case "big": big(Integer.parseInt(f.get(0))); break;
            default: changes(operation, f);
        }
    }

    public static void main(String[] arguments) throws Exception {
        System.setOut(new java.io.PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, "UTF-8"));
        Scenario scenario = new Scenario();
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            List<String> fields = new ArrayList<>();
            for (String field : line.split("\t", -1)) fields.add(unescape(field));
            say(">", line.substring(0, Math.min(180, line.length())));
            try {
                scenario.run(fields.get(0), fields.subList(1, fields.size()));
            } catch (Unsupported e) {
                say("unsupported:", e.getMessage());
            } catch (BatchUpdateException e) {
                say("error", e.getErrorCode(), e.getSQLState(), e.getMessage(), Arrays.toString(e.getUpdateCounts()));
            } catch (SQLException e) {
                say("error", e.getClass().getSimpleName(), e.getErrorCode(), e.getSQLState(), e.getMessage());
            } catch (RuntimeException e) {
                say("driver:", e);
            }
        }
        System.exit(0);
    }
}
