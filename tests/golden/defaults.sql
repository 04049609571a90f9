-- The tables of defaults.ini.
CREATE TABLE parcels (
  id INT NOT NULL,
  width INT DEFAULT 1,
  depth INT DEFAULT (width + 1),
  height INT DEFAULT (width + depth),
  note VARCHAR(20) DEFAULT NULL,
  label VARCHAR(20) DEFAULT (CONCAT(width, height)),
  made DATETIME DEFAULT CURRENT_TIMESTAMP,
  side VARCHAR(20) DEFAULT NULL INVISIBLE,
  tag VARCHAR(20) DEFAULT NULL INVISIBLE,
  PRIMARY KEY (id)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE prices (
  id INT NOT NULL,
  amount DECIMAL(10,2) DEFAULT NULL,
  since DATE NOT NULL,
  until DATE NOT NULL,
  since_day INT DEFAULT NULL INVISIBLE,
  cents BIGINT DEFAULT NULL INVISIBLE,
  PERIOD FOR valid (since, until)
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
