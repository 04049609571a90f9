-- What a table looks like whose new column is visible.
CREATE TABLE items (id INT NOT NULL PRIMARY KEY, title VARCHAR(50), label VARCHAR(50));
