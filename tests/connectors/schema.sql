-- What every run finds: tables that a migration changes (people, prices, notes), and one of every type.
SET NAMES utf8mb4;
CREATE TABLE people (
    id INT AUTO_INCREMENT PRIMARY KEY,
    email VARCHAR(100) NOT NULL,
    fullname VARCHAR(120) NOT NULL DEFAULT '',
    visits INT NOT NULL DEFAULT 0,
    changed TIMESTAMP NULL DEFAULT NULL,
    UNIQUE KEY email (email)
) AUTO_INCREMENT = 100;
CREATE TABLE prices (
    id INT AUTO_INCREMENT PRIMARY KEY,
    person INT NOT NULL,
    amount DECIMAL(10,2) NOT NULL,
    note VARCHAR(60) DEFAULT NULL,
    KEY person (person)
);
CREATE TABLE notes (
    id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
    title VARCHAR(200) DEFAULT NULL,
    made DATETIME(3) DEFAULT NULL,
    body LONGBLOB,
    KEY title (title)
);
INSERT INTO people (email, fullname, visits) VALUES
    ('ada@example.com', 'Ada Lovelace', 3), ('grace@example.com', 'Grace Hopper', 5), ('plato@example.com', 'Plato', 0),
    ('zoe@example.com', 'Zoë Müller', 9), ('emoji@example.com', '😀 😀', 1);
INSERT INTO prices (person, amount, note) VALUES
    (100, 19.99, 'book'), (100, 0.01, NULL), (101, 12345678.90, 'ship'), (102, -5.00, 'refund');
INSERT INTO notes (title, made, body) VALUES
    ('first', '2024-02-29 12:34:56.789', 'text'), (NULL, NULL, NULL), ('zwölf', '1999-12-31 23:59:59.999', X'00FF27225C0A');
CREATE TABLE kinds (
    id INT PRIMARY KEY, t TINYINT, tu TINYINT UNSIGNED, b1 TINYINT(1), s SMALLINT, m MEDIUMINT, mu MEDIUMINT UNSIGNED,
    i INT, iu INT UNSIGNED, iz INT(8) ZEROFILL, b BIGINT, bu BIGINT UNSIGNED, f FLOAT, d DOUBLE, de DECIMAL(65,30),
    de0 DECIMAL(20,0), bits BIT(12), bit1 BIT(1), y YEAR, da DATE, ti TIME(6), dt DATETIME, dt6 DATETIME(6),
    ts TIMESTAMP(3) NULL, c CHAR(5), v VARCHAR(50), vb VARBINARY(50), bn BINARY(4), tt TINYTEXT, tx TEXT, mt MEDIUMTEXT,
    bl BLOB, e ENUM('a','b','ü'), st SET('x','y','z'), j JSON, g GEOMETRY, u UUID, i6 INET6,
    l VARCHAR(20) CHARACTER SET latin1, w VARCHAR(20) CHARACTER SET ucs2
);
CREATE TABLE counters (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) UNIQUE, n INT NOT NULL DEFAULT 0, r DOUBLE);
CREATE TABLE loaded (a INT, b VARCHAR(30), c DATE);
