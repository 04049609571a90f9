-- Reads of the old application, one a line, for test_reads.py: on a table pair whose one side is migrated, the same
-- answers. {db} is the side's own database, {plain} the one that was never migrated. Rows are compared in their order
-- where the statement has ORDER BY, which then must leave no ties. What crossfade refuses is in tests/golden.
SELECT * FROM users
SELECT users.* FROM users
SELECT u.*, u.fullname FROM users u
SELECT {db}.users.* FROM {db}.users
SELECT {db}.users.fullname FROM {db}.users
SELECT {db}.users.fullname, {db}.users.* FROM {db}.users
SELECT fullname FROM users ORDER BY fullname, id
SELECT fullname AS id FROM users ORDER BY id, fullname
SELECT id, fullname FROM users ORDER BY 2 DESC, 1
SELECT id FROM users ORDER BY fullname COLLATE utf8mb4_bin, id
SELECT id, fullname f FROM users ORDER BY f, id
SELECT id, fullname f FROM users ORDER BY UPPER(f), id
SELECT id, visits AS fullname FROM users ORDER BY fullname, id
SELECT id, visits AS fullname FROM users ORDER BY fullname + 0, id
SELECT id, visits AS fullname FROM users ORDER BY CONCAT(fullname, ''), id
SELECT id, visits AS fullname FROM users ORDER BY users.fullname, id
SELECT visits AS fullname, COUNT(*) FROM users GROUP BY users.fullname
SELECT UPPER(fullname) AS fullname FROM users HAVING fullname LIKE 'A%'
SELECT fullname x FROM users HAVING x LIKE 'A%' ORDER BY x, id
SELECT id FROM users HAVING fullname LIKE 'A%'
SELECT fullname, COUNT(*) c FROM users GROUP BY fullname HAVING c > 1 ORDER BY c DESC, fullname
SELECT fullname, COUNT(*) c FROM users GROUP BY 1 HAVING c > 1 ORDER BY 2 DESC, 1
SELECT COUNT(*) c FROM users GROUP BY fullname ORDER BY fullname
SELECT COUNT(*) c FROM users GROUP BY fullname DESC
SELECT fullname, COUNT(*) c FROM users GROUP BY fullname ASC
SELECT COUNT(DISTINCT fullname, visits) FROM users
SELECT COUNT(DISTINCT fullname) FROM users
SELECT GROUP_CONCAT(DISTINCT fullname ORDER BY fullname DESC SEPARATOR '|') FROM users
SELECT GROUP_CONCAT(id ORDER BY fullname, id) FROM users
SELECT GROUP_CONCAT(fullname ORDER BY 1) FROM users
SELECT GROUP_CONCAT(fullname, '-', id ORDER BY 1, 3 DESC) FROM users
SELECT visits, JSON_ARRAYAGG(fullname) FROM users GROUP BY visits ORDER BY visits
SELECT DISTINCT fullname FROM users ORDER BY fullname
SELECT DISTINCT fullname, visits FROM users ORDER BY visits DESC, fullname
SELECT DISTINCT fullname FROM users ORDER BY UPPER(fullname)
SELECT DISTINCT UPPER(fullname) FROM users ORDER BY UPPER(fullname)
SELECT DISTINCTROW fullname FROM users ORDER BY fullname
SELECT ALL fullname FROM users ORDER BY fullname
SELECT id FROM users WHERE (fullname, visits) IN (('Ada Lovelace', 3), ('Cher', 1))
SELECT id FROM users WHERE (fullname, id) > ('Cher', 4) ORDER BY fullname, id
SELECT id FROM users WHERE (visits, fullname) >= (3, 'B') ORDER BY id
SELECT id FROM users WHERE ROW(fullname, id) = ROW('Cher', 4)
SELECT id FROM users WHERE (fullname, visits) IN (SELECT fullname, visits FROM users WHERE id < 5)
SELECT id FROM users WHERE (fullname, visits) <=> (NULL, 2)
SELECT id FROM users WHERE fullname <=> NULL
SELECT id FROM users WHERE fullname IS NULL
SELECT id FROM users WHERE NOT fullname <=> 'Cher'
SELECT id FROM users WHERE fullname BETWEEN 'A' AND 'D' ORDER BY id
SELECT id FROM users WHERE fullname NOT BETWEEN 'A' AND 'D' ORDER BY id
SELECT id FROM users WHERE fullname LIKE 'ada%'
SELECT id FROM users WHERE fullname LIKE BINARY 'Ada%'
SELECT id FROM users WHERE BINARY fullname = 'Cher'
SELECT id FROM users WHERE fullname = BINARY 'Cher'
SELECT id FROM users WHERE fullname COLLATE utf8mb4_bin = 'cher'
SELECT id FROM users WHERE fullname = 'cher' COLLATE utf8mb4_bin
SELECT id FROM users WHERE fullname = _latin1'Cher'
SELECT id FROM users WHERE fullname = _utf8mb4 x'43686572'
SELECT id FROM users WHERE fullname = N'Cher'
SELECT id FROM users WHERE fullname REGEXP '^[A-C]'
SELECT id FROM users WHERE fullname RLIKE 'a$'
SELECT id FROM users WHERE fullname NOT REGEXP '^[A-C]'
SELECT id FROM users WHERE fullname = 'Ada' ' ' 'Lovelace'
SELECT id, fullname FROM users WHERE fullname = ANY (SELECT name FROM staging)
SELECT id, fullname FROM users WHERE fullname > ALL (SELECT name FROM staging WHERE id < 3)
SELECT id FROM users WHERE EXISTS (SELECT * FROM orders WHERE orders.user_id = users.id AND amount > 10)
SELECT id FROM users u WHERE EXISTS (SELECT NULL FROM staging s WHERE s.name = fullname)
SELECT id FROM users u WHERE NOT EXISTS (SELECT 1 FROM staging WHERE name = u.fullname)
SELECT id, (SELECT fullname FROM users x WHERE x.id = o.user_id) FROM orders o
SELECT id, (SELECT fullname FROM users x WHERE x.id = o.user_id) AS fullname FROM orders o ORDER BY fullname, id
SELECT id, (SELECT MAX(amount) FROM orders WHERE user_id = users.id) m FROM users ORDER BY m DESC, id
SELECT u.id, u.fullname, o.amount FROM users u JOIN orders o ON o.user_id = u.id ORDER BY o.amount, o.id
SELECT u.id, fullname, amount FROM users u LEFT JOIN orders o ON o.user_id = u.id AND amount > 5 ORDER BY amount, u.id, o.id
SELECT u.id, fullname FROM users u LEFT OUTER JOIN orders o ON o.user_id = u.id WHERE amount IS NULL
SELECT fullname, kind, e.id FROM users u LEFT JOIN events e ON e.user_id = u.id ORDER BY u.id, e.id
SELECT kind FROM events
SELECT u.id, kind FROM events e RIGHT JOIN users u ON e.user_id = u.id
SELECT u.id, kind IS NULL, COALESCE(kind, 'missing') FROM users u LEFT JOIN events e ON e.user_id = u.id
SELECT u.id, COUNT(kind) FROM users u LEFT JOIN events e ON e.user_id = u.id GROUP BY u.id ORDER BY u.id
SELECT kind, COUNT(*) FROM users u LEFT JOIN events e ON e.user_id = u.id GROUP BY kind ORDER BY kind
SELECT kind, COUNT(*) FROM users u LEFT JOIN events e ON e.user_id = u.id GROUP BY e.kind HAVING kind IS NOT NULL ORDER BY kind
SELECT * FROM users u LEFT JOIN events e ON e.user_id = u.id
SELECT * FROM users u LEFT JOIN (events e JOIN orders o ON o.id = e.id) ON e.user_id = u.id
SELECT fullname, kind, amount FROM users u LEFT JOIN (events e JOIN orders o ON o.id = e.id) ON e.user_id = u.id
SELECT d.kind FROM users u LEFT JOIN (SELECT id, user_id, kind FROM events) d ON d.user_id = u.id
SELECT d.kind FROM users u LEFT JOIN (SELECT * FROM events) d ON d.user_id = u.id
WITH e AS (SELECT * FROM events) SELECT kind FROM users u LEFT JOIN e ON e.user_id = u.id
SELECT * FROM users NATURAL JOIN orders
SELECT * FROM users NATURAL LEFT JOIN orders
SELECT * FROM users JOIN orders USING (id)
SELECT * FROM users a JOIN users b USING (fullname)
SELECT fullname FROM users a JOIN users b USING (fullname)
SELECT a.fullname, b.fullname FROM users a JOIN users b USING (fullname) ORDER BY a.id, b.id
SELECT a.id FROM users a NATURAL JOIN users b
SELECT * FROM users a NATURAL JOIN users b
SELECT id FROM users a NATURAL JOIN users b ORDER BY fullname, id
SELECT * FROM items NATURAL JOIN boxes
SELECT * FROM boxes NATURAL JOIN items
SELECT * FROM items JOIN boxes USING (id)
SELECT boxes.size, items.* FROM items, boxes WHERE items.id = boxes.id
SELECT size FROM items, boxes WHERE items.id = boxes.id
SELECT size, width FROM items, boxes WHERE items.id = boxes.id AND size > 2
SELECT label FROM items, boxes WHERE items.id = boxes.id
SELECT STRAIGHT_JOIN fullname FROM users STRAIGHT_JOIN orders ON orders.user_id = users.id
SELECT HIGH_PRIORITY fullname FROM users
SELECT SQL_CALC_FOUND_ROWS fullname FROM users ORDER BY id LIMIT 3
SELECT FOUND_ROWS()
SELECT SQL_NO_CACHE fullname FROM users
SELECT SQL_SMALL_RESULT SQL_BUFFER_RESULT fullname, COUNT(*) FROM users GROUP BY fullname ORDER BY fullname
SELECT SQL_BIG_RESULT fullname, COUNT(*) FROM users GROUP BY fullname ORDER BY 1
SELECT fullname FROM users USE INDEX (PRIMARY) WHERE id < 5
SELECT fullname FROM users FORCE INDEX (email) WHERE email > ''
SELECT fullname FROM users IGNORE INDEX FOR ORDER BY (PRIMARY) ORDER BY id
SELECT fullname FROM users FORCE INDEX (fullname_key) WHERE fullname > 'B' ORDER BY fullname, id
SELECT fullname FROM users PARTITION (p0)
SELECT fullname FROM users INTO @name
SELECT fullname INTO @n FROM users WHERE id = 1
SELECT @n
SELECT fullname, visits INTO @n, @v FROM users WHERE id = 2
SELECT @n, @v
SELECT fullname FROM users WHERE id = 3 INTO @n
SELECT @n
SET @n = (SELECT fullname FROM users WHERE id = 2)
SELECT @n
SET @n := (SELECT GROUP_CONCAT(fullname ORDER BY id) FROM users), @m = (SELECT MAX(amount) FROM orders)
SELECT @n, @m
SELECT @r := 0
SELECT @r := @r + 1 AS rn, fullname FROM users ORDER BY id
SELECT @last := fullname FROM users WHERE id = 4
SELECT @last
SELECT id, @x := amount FROM orders ORDER BY id
SELECT ROW_NUMBER() OVER (ORDER BY fullname, id) rn, fullname FROM users ORDER BY rn
SELECT * FROM (SELECT u.*, ROW_NUMBER() OVER (ORDER BY fullname, id) AS rn FROM users u) t WHERE rn BETWEEN 3 AND 6 ORDER BY rn
SELECT id, RANK() OVER w, LAG(fullname) OVER w, SUM(visits) OVER (PARTITION BY fullname ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM users WINDOW w AS (ORDER BY fullname, id) ORDER BY id
SELECT id, note AS amount, RANK() OVER (ORDER BY amount, id) AS place FROM orders ORDER BY id
SELECT *, -amount AS amount FROM orders ORDER BY amount, id
SELECT o.*, REVERSE(note) AS amount FROM orders o JOIN users u ON u.id = o.user_id ORDER BY amount DESC, o.id
SELECT amount, -amount AS amount, -amount * 2 AS amount FROM orders ORDER BY amount, id
SELECT fullname, UPPER(email) AS fullname FROM users HAVING fullname > 'D' ORDER BY id
SELECT -amount AS amount, amount FROM orders ORDER BY amount, id
SELECT amount, id AS amount, RANK() OVER (ORDER BY -id) AS place FROM orders ORDER BY place
SELECT amount, 20 - id AS amount, RANK() OVER (ORDER BY amount) AS place FROM orders ORDER BY id
SELECT id AS amount, amount AS paid, SUM(user_id) OVER w AS total FROM orders WINDOW w AS (ORDER BY (amount) DESC) ORDER BY id
SELECT id, visits AS fullname, SUM(id) OVER (ORDER BY fullname, LENGTH(fullname), id) FROM users ORDER BY id
SELECT id AS amount, PERCENTILE_DISC(0.9) WITHIN GROUP (ORDER BY amount) OVER (PARTITION BY user_id) FROM orders ORDER BY id
SELECT fullname, SUM(visits) OVER (PARTITION BY fullname) FROM users ORDER BY fullname, id
SELECT SUM(amount) OVER (ORDER BY id), AVG(amount) OVER (ORDER BY id ROWS 2 PRECEDING) FROM orders ORDER BY id
SELECT id, FIRST_VALUE(fullname) OVER (PARTITION BY visits ORDER BY fullname) FROM users ORDER BY id
SELECT id, NTILE(3) OVER (ORDER BY amount, id) FROM orders ORDER BY id
SELECT id, amount FROM orders ORDER BY SUM(amount) OVER (PARTITION BY user_id), id
SELECT fullname FROM users UNION SELECT title FROM items ORDER BY fullname
(SELECT fullname FROM users ORDER BY fullname LIMIT 2) UNION ALL (SELECT title FROM items ORDER BY title LIMIT 2)
(SELECT fullname FROM users) UNION (SELECT title FROM items) ORDER BY fullname LIMIT 4
SELECT fullname FROM users UNION SELECT title FROM items ORDER BY UPPER(fullname)
SELECT id, fullname FROM users EXCEPT SELECT id, title FROM items
SELECT fullname FROM users INTERSECT SELECT name FROM staging
SELECT 1 AS id, 'x' AS fullname UNION SELECT id, fullname FROM users ORDER BY fullname, id
SELECT * FROM users UNION SELECT * FROM users
SELECT d.name FROM (SELECT fullname FROM users) AS d (name) ORDER BY d.name
SELECT * FROM (SELECT fullname, id FROM users) d ORDER BY id
SELECT * FROM (SELECT * FROM users) d ORDER BY id
SELECT d.* FROM (SELECT u.* FROM users u WHERE u.fullname > 'B') d ORDER BY d.fullname, id
SELECT fullname FROM (SELECT UPPER(fullname) AS fullname FROM users) users ORDER BY fullname
SELECT `UPPER(fullname)` FROM (SELECT UPPER(fullname) FROM users) d ORDER BY 1
SELECT * FROM (SELECT MAX(amount), MIN(amount) FROM orders) d
SELECT `MAX(amount)` FROM (SELECT MAX(amount) FROM orders) d
WITH c AS (SELECT * FROM users) SELECT c.fullname FROM c ORDER BY c.fullname
WITH c (a, b) AS (SELECT id, fullname FROM users) SELECT a, b FROM c ORDER BY b, a
WITH users AS (SELECT id, fullname FROM users WHERE id < 4) SELECT * FROM users
WITH users AS (SELECT 1 AS fullname) SELECT fullname FROM users
WITH RECURSIVE r AS (SELECT id, fullname FROM users WHERE id = 1 UNION ALL SELECT u.id, u.fullname FROM users u JOIN r ON u.id = r.id + 1) SELECT * FROM r ORDER BY id
WITH RECURSIVE r AS (SELECT id, CAST(fullname AS CHAR(500)) AS p FROM users WHERE id = 1 UNION ALL SELECT u.id, CONCAT(r.p, '>', u.fullname) FROM users u JOIN r ON u.id = r.id + 1 WHERE u.fullname IS NOT NULL) SELECT * FROM r ORDER BY id
WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < (SELECT MAX(width) FROM items)) SELECT COUNT(*) FROM r
WITH a AS (SELECT fullname AS x FROM users), b AS (SELECT x FROM a WHERE x > 'B') SELECT a.x FROM a JOIN b ON a.x = b.x ORDER BY 1
SELECT CASE fullname WHEN 'Cher' THEN 1 WHEN 'Ada Lovelace' THEN 2 END FROM users ORDER BY id
SELECT CASE WHEN amount > 10 THEN 'big' WHEN amount IS NULL THEN 'none' ELSE 'small' END size, COUNT(*) FROM orders GROUP BY size ORDER BY size
SELECT CASE WHEN amount > 10 THEN 'big' ELSE 'small' END AS bucket, SUM(amount) FROM orders GROUP BY CASE WHEN amount > 10 THEN 'big' ELSE 'small' END ORDER BY 1
SELECT IF(amount > 10, fullname, NULL) FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.id
SELECT FORMAT(amount, 2), ROUND(amount), TRUNCATE(amount, 1), amount DIV 2, amount % 3, -amount, amount / 3 FROM orders ORDER BY id
SELECT user_id, SUM(amount) total FROM orders GROUP BY user_id HAVING SUM(amount) > 10 ORDER BY total DESC, user_id
SELECT user_id, SUM(amount) total FROM orders GROUP BY user_id HAVING total > 10 ORDER BY SUM(amount), user_id
SELECT user_id, SUM(amount) amount FROM orders GROUP BY user_id HAVING amount > 10 ORDER BY amount, user_id
SELECT user_id, SUM(amount) amount FROM orders GROUP BY user_id ORDER BY SUM(amount), user_id
SELECT amount, SUM(amount) FROM orders GROUP BY amount WITH ROLLUP
SELECT user_id, amount, SUM(visits) FROM orders JOIN users ON users.id = user_id GROUP BY user_id, amount WITH ROLLUP
SELECT fullname, COUNT(*) FROM users GROUP BY fullname WITH ROLLUP
SELECT COALESCE(fullname, 'total'), COUNT(*) FROM users GROUP BY fullname WITH ROLLUP
SELECT DATE_FORMAT(day, '%Y-%m') AS ym, COUNT(*) FROM events GROUP BY ym ORDER BY ym
SELECT DATE_FORMAT(day, '%Y-%m') AS ym, COUNT(*) FROM events GROUP BY DATE_FORMAT(day, '%Y-%m') ORDER BY DATE_FORMAT(day, '%Y-%m')
SELECT YEAR(day), MONTH(day), COUNT(*) FROM events GROUP BY YEAR(day), MONTH(day) ORDER BY YEAR(day) DESC, MONTH(day)
SELECT YEAR(day), MONTH(day), COUNT(*) FROM events GROUP BY 1, 2 ORDER BY 1, 2
SELECT day + INTERVAL 1 DAY, day - INTERVAL 1 MONTH, DATEDIFF(day, '2020-01-01'), day FROM events ORDER BY id
SELECT id FROM events WHERE day > '2024-01-15' ORDER BY day, id
SELECT id FROM events WHERE day BETWEEN DATE '2024-01-01' AND DATE '2024-02-01' ORDER BY day DESC, id
SELECT id FROM events WHERE day = '2024-01-02'
SELECT id FROM events WHERE day = 20240102
SELECT id FROM events WHERE day = {d '2024-01-02'}
SELECT MIN(day), MAX(day) FROM events
SELECT EXTRACT(YEAR FROM day) FROM events ORDER BY id
SELECT day IS NULL, day = '', ISNULL(day) FROM events WHERE id < 0
SELECT TIMESTAMPDIFF(DAY, day, '2024-12-31') FROM events ORDER BY id
SELECT qty, qty + 1, qty * 1.5, qty / 2, qty DIV 2, ~qty, qty & 3, qty | 4, qty ^ 5, qty << 1 FROM events ORDER BY id
SELECT id FROM events WHERE qty = '5'
SELECT id FROM events WHERE qty IN ('5', 6, 7.0)
SELECT id FROM events WHERE qty & 1
SELECT id FROM events WHERE qty
SELECT id FROM events WHERE NOT qty
SELECT id FROM events WHERE !qty
SELECT id FROM events WHERE qty XOR 1
SELECT HEX(qty), CHAR(qty + 60), CONV(qty, 10, 2), BIN(qty), CONCAT(qty), LENGTH(qty) FROM events ORDER BY id
SELECT CONCAT(amount), LENGTH(amount), CAST(amount AS CHAR), amount LIKE '1%' FROM orders ORDER BY id
SELECT CONCAT(day), LENGTH(day), day + 0, CAST(day AS CHAR), HEX(day), day LIKE '2024%' FROM events ORDER BY id
SELECT CHARSET(fullname), COLLATION(fullname), COERCIBILITY(fullname) FROM users LIMIT 1
SELECT LENGTH(fullname), CHAR_LENGTH(fullname), HEX(fullname), MD5(fullname), REVERSE(fullname) FROM users ORDER BY id
SELECT fullname LIKE '%a%' AS hit, fullname FROM users ORDER BY hit DESC, fullname, id
SELECT width, height, width * height AS area FROM items ORDER BY area DESC, id
SELECT width * height area, COUNT(*) FROM items GROUP BY area ORDER BY area
SELECT title, width, height FROM items WHERE width > height ORDER BY title, id
SELECT * FROM items WHERE (width, height) = (3, 4)
SELECT * FROM items WHERE (width, height) IN ((3, 4), (1, 1)) ORDER BY id
SELECT width, COUNT(*) FROM items GROUP BY width HAVING width > 2 ORDER BY width
SELECT width, height, COUNT(*) FROM items GROUP BY width, height ORDER BY width, height
SELECT title, MAX(width) FROM items GROUP BY title ORDER BY MAX(width) DESC, title
SELECT title AS label FROM items ORDER BY label, id
SELECT title AS label FROM items ORDER BY UPPER(label), id
SELECT width AS size FROM items ORDER BY size, id
SELECT width AS size FROM items ORDER BY size + 1, id
SELECT width AS size, COUNT(*) FROM items GROUP BY size ORDER BY size
SELECT id AS size, COUNT(*) FROM items GROUP BY size ORDER BY size
SELECT id % 2 AS size, COUNT(*) FROM items GROUP BY size ORDER BY size
SELECT id % 2 AS size, COUNT(*) c FROM items GROUP BY size HAVING size > 0 ORDER BY size
SELECT id AS cents FROM orders ORDER BY cents
SELECT id AS cents FROM orders HAVING cents > 3 ORDER BY cents
SELECT user_id AS cents, SUM(amount) FROM orders GROUP BY cents ORDER BY cents
SELECT amount * 100 AS cents FROM orders ORDER BY cents, id
SELECT amount * 100 AS cents, COUNT(*) FROM orders GROUP BY cents ORDER BY cents
SELECT SUBSTRING_INDEX(fullname, ' ', 1) AS first_name, SUBSTRING_INDEX(fullname, ' ', -1) AS last_name FROM users ORDER BY last_name, first_name, id
SELECT SUBSTRING_INDEX(fullname, ' ', 1) AS first_name, COUNT(*) FROM users GROUP BY first_name ORDER BY first_name
SELECT SUBSTRING_INDEX(fullname, ' ', 1) AS first_name, COUNT(*) AS n FROM users GROUP BY first_name HAVING n > 1 AND first_name > 'B' ORDER BY n DESC, first_name
SELECT first_name FROM (SELECT SUBSTRING_INDEX(fullname, ' ', 1) AS first_name FROM users) t ORDER BY 1
VALUES ROW(1, 2)
SELECT fullname fullname FROM users ORDER BY id
SELECT FULLNAME FROM users ORDER BY id
SELECT FullName, fullName FROM Users ORDER BY id
SELECT `fullname` FROM `users` ORDER BY `fullname`, `id`
SELECT u . fullname FROM users u ORDER BY id
SELECT u.`fullname` 'name' FROM users u ORDER BY id
SELECT u./* c */fullname/* d */FROM users u ORDER BY id
SELECT /* fullname */ id /*! , fullname */ FROM users ORDER BY id
SELECT id, /*! fullname */ FROM users ORDER BY id
SELECT id /*!50000 , UPPER(fullname) */ FROM users ORDER BY id
SELECT id /*!99999 , UPPER(fullname) */ FROM users ORDER BY id
SELECT id /*M!100000 , UPPER(fullname) */ FROM users ORDER BY id
SELECT UPPER( fullname ) FROM users ORDER BY id
SELECT UPPER(fullname)   FROM users ORDER BY id
SELECT   fullname  ,  UPPER(  fullname  )  , amount+1 FROM users, orders WHERE users.id = orders.id ORDER BY users.id
SELECT amount+1, amount + 1, -amount, (amount), ((amount)), amount/*x*/+1 FROM orders ORDER BY id
SELECT (fullname) FROM users ORDER BY id
SELECT +amount, !amount, NOT amount, BINARY note FROM orders ORDER BY id
SELECT fullname IS NULL, fullname IN ('a'), fullname LIKE 'a' ESCAPE '!' FROM users ORDER BY id
SELECT 'fullname', "fullname", fullname FROM users ORDER BY id
SELECT 'fullname' FROM users ORDER BY fullname, id
SELECT (SELECT COUNT(*) FROM users u2 WHERE u2.fullname = u.fullname) AS same, fullname FROM users u ORDER BY same DESC, fullname, id
SELECT * FROM users WHERE id = (SELECT MAX(id) FROM users WHERE fullname = 'Cher')
SELECT * FROM users WHERE fullname = (SELECT MAX(fullname) FROM users)
SELECT * FROM users u WHERE fullname = (SELECT MAX(fullname) FROM users WHERE visits = u.visits) ORDER BY id
SELECT * FROM users u WHERE 1 < (SELECT COUNT(*) FROM users x WHERE fullname = u.fullname) ORDER BY id
SELECT fullname FROM users WHERE fullname IN (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1) ORDER BY id
SELECT u.* FROM users u JOIN (SELECT fullname, MIN(id) id FROM users GROUP BY fullname) k USING (id) ORDER BY u.id
SELECT u.id FROM users u JOIN (SELECT fullname, MIN(id) id FROM users GROUP BY fullname) k USING (fullname) ORDER BY u.id
SELECT u.id, k.n FROM users u JOIN (SELECT fullname, COUNT(*) n FROM users GROUP BY fullname) k ON k.fullname = u.fullname ORDER BY u.id
SELECT j.x FROM users u, JSON_TABLE(JSON_ARRAY(u.fullname), '$[*]' COLUMNS (x VARCHAR(100) PATH '$')) j ORDER BY u.id
SELECT JSON_EXTRACT(data, '$.a'), JSON_VALUE(data, '$.a') FROM docs ORDER BY id
SELECT data FROM docs WHERE JSON_CONTAINS(data, '1', '$.a')
SELECT JSON_OBJECT('name', fullname, 'n', visits) FROM users ORDER BY id
SELECT JSON_OBJECT('amount', amount, 'qty', id) FROM orders ORDER BY id
SELECT JSON_ARRAY(amount, width, height) FROM orders o JOIN items i ON i.id = o.id ORDER BY o.id
SELECT JSON_OBJECT('day', day, 'qty', qty) FROM events ORDER BY id
SELECT JSON_ARRAYAGG(data) FROM docs
SELECT JSON_OBJECT('d', data) FROM docs ORDER BY id
SELECT fullname FROM users LIMIT 0
SELECT fullname FROM users ORDER BY id LIMIT 2, 3
SELECT fullname FROM users ORDER BY id LIMIT 3 OFFSET 2
SELECT fullname FROM users ORDER BY id OFFSET 2 ROWS FETCH NEXT 3 ROWS ONLY
SELECT fullname FROM users ORDER BY fullname FETCH FIRST 3 ROWS WITH TIES
SELECT COUNT(*) FROM (SELECT fullname FROM users ORDER BY RAND() LIMIT 3) t
SELECT fullname FROM users ORDER BY FIELD(fullname, 'Cher', 'Ada Lovelace') DESC, id
SELECT fullname FROM users ORDER BY fullname IS NULL, fullname, id
SELECT fullname FROM users ORDER BY -id
SELECT id FROM orders ORDER BY -amount DESC, id
SELECT id FROM orders ORDER BY amount IS NULL, amount DESC, id LIMIT 5
SELECT id, amount FROM orders WHERE amount IN (SELECT total FROM staging) ORDER BY id
SELECT id, amount FROM orders WHERE amount = 19.99 OR amount > 50 ORDER BY amount, id
SELECT id FROM orders WHERE amount BETWEEN 5 AND 20 ORDER BY amount, id
SELECT id FROM orders WHERE amount NOT BETWEEN 5 AND 20 ORDER BY amount DESC, id
SELECT id FROM orders WHERE NOT (amount > 5) ORDER BY id
SELECT id FROM orders WHERE amount > 5 IS TRUE ORDER BY id
SELECT id FROM orders WHERE amount <> 19.99 ORDER BY id
SELECT id FROM orders WHERE amount = NULL
SELECT id FROM orders WHERE 20 > amount AND amount > 3 ORDER BY id
SELECT id FROM orders WHERE amount > (SELECT AVG(amount) FROM orders) ORDER BY id
SELECT id FROM orders WHERE amount * 1.2 > 20 ORDER BY amount * 1.2, id
SELECT user_id, amount FROM orders o WHERE amount = (SELECT MAX(amount) FROM orders WHERE user_id = o.user_id) ORDER BY user_id
SELECT a.id, b.id FROM orders a JOIN orders b ON a.amount = b.amount AND a.id < b.id ORDER BY 1, 2
SELECT a.id, b.id FROM orders a LEFT JOIN orders b ON a.user_id = b.user_id AND (a.amount < b.amount OR a.amount = b.amount AND a.id < b.id) WHERE b.id IS NULL ORDER BY a.id
SELECT o.amount - LAG(o.amount) OVER (ORDER BY o.id) FROM orders o ORDER BY o.id
EXPLAIN SELECT 1
SELECT fullname FROM users WHERE id = 1 FOR UPDATE
SELECT * FROM users WHERE id = 1 FOR UPDATE
SELECT * FROM users WHERE id = 1 LOCK IN SHARE MODE
SELECT u.*, o.* FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = 2 FOR UPDATE
SELECT * FROM users a JOIN users b USING (fullname) FOR UPDATE
SELECT * FROM users JOIN orders USING (id) FOR UPDATE
SELECT fullname FROM users WHERE id = 1 FOR UPDATE NOWAIT
SELECT fullname FROM users WHERE id = 1 FOR UPDATE SKIP LOCKED
SELECT nosuch FROM users
SELECT fullname FROM nosuch
SELECT fullname, fullname FROM users ORDER BY fullname, id
SELECT fullname AS x, visits AS x FROM users ORDER BY id
SELECT * FROM (SELECT fullname, fullname FROM users) t
SELECT id FROM users a JOIN users b ON a.id = b.id
SELECT fullname FROM users GROUP BY nosuch
SELECT u.fullname FROM users
SELECT users.fullname FROM users u
SELECT fullname FROM users WHERE fullname = (SELECT fullname FROM users)
SELECT fullname + 1 FROM users WHERE id < 3
SELECT id FROM users WHERE fullname = 0
SELECT id FROM users WHERE fullname + 0 = 0
SELECT CAST(fullname AS SIGNED) FROM users
SELECT CONVERT(fullname USING latin1) FROM users ORDER BY id
SELECT CONVERT(fullname, CHAR(3)) FROM users ORDER BY id
SELECT SUM(fullname) FROM users
SELECT COUNT(*), COUNT(1), COUNT(fullname), COUNT(ALL fullname) FROM users
SELECT fullname AS `select` FROM users ORDER BY `select`, id
SELECT TRIM(BOTH 'A' FROM fullname), SUBSTRING(fullname FROM 2 FOR 3), POSITION('e' IN fullname) FROM users ORDER BY id
SELECT fullname NOT LIKE 'a%', fullname SOUNDS LIKE 'share' FROM users ORDER BY id
SELECT VALUES(fullname) FROM users
SELECT DEFAULT(fullname) FROM users LIMIT 1
SELECT users.id FROM users WHERE MATCH (note) AGAINST ('x')
SELECT COUNT(*) FROM users WHERE fullname = 'Cher' AND id IN (SELECT user_id FROM orders WHERE amount > 2 UNION SELECT user_id FROM events WHERE qty > 1)
DESCRIBE SELECT 1
SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'staging'
DO (SELECT fullname FROM users WHERE id = 1)
SELECT EXISTS (SELECT 1 FROM users WHERE fullname = 'Cher') AS `exists`
SELECT EXISTS (SELECT * FROM users WHERE fullname = 'Cher')
SELECT NOT EXISTS (SELECT * FROM users WHERE fullname = 'Cher')
SELECT 1 AS one FROM `users` WHERE `users`.`fullname` = 'Cher' LIMIT 1
SELECT `users`.`id`, `users`.`email`, `users`.`fullname` FROM `users` WHERE `users`.`fullname` LIKE BINARY '%her%' ORDER BY `users`.`fullname` ASC LIMIT 21
SELECT `users`.* FROM `users` WHERE `users`.`fullname` = 'Cher' ORDER BY `users`.`id` ASC LIMIT 1
SELECT count(*) as aggregate from `users` where `fullname` like '%a%'
SELECT COUNT(*) FROM (SELECT DISTINCT `users`.`fullname` AS Col1 FROM `users`) subquery
SELECT COUNT(*) FROM (SELECT DISTINCT `users`.`fullname` AS `fullname` FROM `users` ORDER BY NULL) subquery
SELECT `User`.`id`, `User`.`fullname`, `Orders`.`id` AS `Orders.id`, `Orders`.`amount` AS `Orders.amount` FROM (SELECT `User`.`id`, `User`.`fullname` FROM `users` AS `User` ORDER BY `User`.`fullname` ASC, id LIMIT 0, 3) AS `User` LEFT OUTER JOIN `orders` AS `Orders` ON `User`.`id` = `Orders`.`user_id` ORDER BY `User`.`fullname` ASC, User.id, Orders.id
SELECT anon_1.fullname AS anon_1_fullname, anon_1.n AS anon_1_n FROM (SELECT users.fullname AS fullname, count(*) AS n FROM users GROUP BY users.fullname) AS anon_1 WHERE anon_1.n > 1 ORDER BY anon_1.fullname
select `orders`.*, (select `fullname` from `users` where `users`.`id` = `orders`.`user_id` limit 1) as `user_name` from `orders` order by (select `fullname` from `users` where `users`.`id` = `orders`.`user_id` limit 1) asc, id
select `users`.*, (select count(*) from `orders` where `users`.`id` = `orders`.`user_id` and `amount` > 3) as `orders_count` from `users` having `orders_count` > 0 order by id
select `users`.*, (select sum(`orders`.`amount`) from `orders` where `users`.`id` = `orders`.`user_id`) as `orders_sum_amount` from `users` order by id
select * from `users` where exists (select * from `orders` where `users`.`id` = `orders`.`user_id` and `amount` >= 5) and (`fullname` like '%a%' or `email` like '%b%') order by `id` asc limit 15 offset 0
SELECT DISTINCT u.* FROM users u INNER JOIN orders o ON o.user_id = u.id WHERE o.amount > 2 ORDER BY u.fullname, u.id
SELECT DISTINCT u.*, o.amount FROM users u INNER JOIN orders o ON o.user_id = u.id ORDER BY u.fullname DESC, u.id, o.amount
SELECT u.*, COUNT(o.id) AS n FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY u.id
SELECT u.id, u.fullname, COUNT(o.id) AS n, SUM(o.amount) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id, u.fullname ORDER BY n DESC, u.fullname, u.id
SELECT u.fullname, o.amount FROM users u, orders o WHERE u.id = o.user_id GROUP BY u.fullname, o.amount HAVING o.amount > 3 AND u.fullname > 'B' ORDER BY u.fullname, o.amount
SELECT MAX(fullname), MIN(day) FROM users, events WHERE users.id = events.user_id
SELECT fullname FROM users GROUP BY id, fullname ORDER BY COUNT(*), fullname, id
SELECT COUNT(*) AS total FROM users HAVING MAX(fullname) > 'A'
SELECT ANY_VALUE(fullname) FROM users GROUP BY id ORDER BY id
SELECT id AS fullname, fullname AS id FROM users ORDER BY fullname
SELECT id AS fullname, fullname AS id FROM users ORDER BY id, fullname
SELECT fullname AS email, email AS fullname FROM users ORDER BY fullname
SELECT fullname AS email, email AS fullname FROM users WHERE fullname > 'B' ORDER BY email, fullname
SELECT u.fullname AS `u.fullname` FROM users u ORDER BY `u.fullname`, id
SELECT u1.fullname, u2.fullname FROM users u1, users u2 WHERE u1.id + 1 = u2.id ORDER BY u1.fullname, u2.fullname
SELECT * FROM users u1, users u2 WHERE u1.id + 1 = u2.id ORDER BY u1.id
SELECT u1.*, u2.fullname fn FROM users u1 JOIN users u2 ON u1.id + 1 = u2.id ORDER BY fn, u1.id
SELECT id, fullname FROM users WHERE id IN (1, 2, 3) ORDER BY FIELD(id, 3, 1, 2)
SELECT IFNULL(fullname, 'x') fullname FROM users ORDER BY fullname, id
SELECT IFNULL(fullname, 'x') fullname FROM users WHERE fullname IS NULL
SELECT IFNULL(fullname, 'x') fullname, COUNT(*) FROM users GROUP BY 1 ORDER BY 1
SELECT fullname, (SELECT GROUP_CONCAT(amount ORDER BY amount) FROM orders WHERE user_id = u.id) FROM users u ORDER BY id
SELECT SQL_CALC_FOUND_ROWS DISTINCT fullname FROM users ORDER BY fullname LIMIT 2
SELECT FOUND_ROWS()
SELECT fullname FROM ((users)) ORDER BY id
SELECT fullname FROM (users JOIN orders ON users.id = orders.id) ORDER BY users.id
SELECT fullname FROM { OJ users LEFT JOIN orders ON users.id = orders.id } ORDER BY users.id
SELECT * FROM (users, orders) WHERE users.id = orders.id ORDER BY users.id
SELECT * FROM users CROSS JOIN staging WHERE users.id = staging.id
SELECT a.* FROM users AS a JOIN (SELECT id FROM users ORDER BY fullname, id LIMIT 2, 3) AS b ON a.id = b.id ORDER BY a.fullname, a.id
SELECT MAX(t.c) FROM (SELECT COUNT(*) c FROM users GROUP BY fullname) t
SELECT id FROM users ORDER BY (SELECT COUNT(*) FROM users x WHERE x.fullname < users.fullname), id
SELECT id FROM users ORDER BY (SELECT MAX(amount) FROM orders WHERE user_id = users.id), fullname, id
SELECT fullname, visits FROM users GROUP BY fullname, visits HAVING visits > AVG(visits) OR fullname > 'B' ORDER BY fullname, visits
SELECT LEFT(fullname, 1) AS letter, COUNT(*) FROM users GROUP BY letter ORDER BY letter
SELECT LEFT(fullname, 1) AS letter, COUNT(*) FROM users GROUP BY LEFT(fullname, 1) ORDER BY LEFT(fullname, 1)
SELECT LEFT(fullname, 1), COUNT(*) FROM users GROUP BY LEFT(fullname, 1) HAVING LEFT(fullname, 1) > 'B' ORDER BY LEFT(fullname, 1)
SELECT UPPER(fullname), COUNT(*) FROM users GROUP BY fullname ORDER BY UPPER(fullname)
SELECT amount, COUNT(*) FROM orders GROUP BY amount ORDER BY COUNT(*) DESC, amount
SELECT amount + 1 FROM orders GROUP BY amount ORDER BY amount
SELECT amount + 1, amount FROM orders GROUP BY amount ORDER BY amount + 1
SELECT ROUND(amount) r, COUNT(*) FROM orders GROUP BY r ORDER BY r
SELECT qty, COUNT(*) FROM events GROUP BY qty WITH ROLLUP
SELECT kind, qty, COUNT(*) FROM events GROUP BY kind, qty WITH ROLLUP
SELECT day, COUNT(*) FROM events GROUP BY day ORDER BY day DESC
SELECT kind, GROUP_CONCAT(day ORDER BY day, id) FROM events GROUP BY kind ORDER BY kind
SELECT qty FROM events ORDER BY qty LIMIT 3
SELECT title FROM items ORDER BY title LIMIT 3
SELECT title, title t FROM items GROUP BY title HAVING title > 'a' ORDER BY t
SELECT MIN(id) AS title, COUNT(*) FROM items GROUP BY title HAVING title > 'c'
SELECT title AS t, MIN(id) AS title FROM items GROUP BY 1 HAVING title > 'c'
SELECT title AS t, MIN(id) AS title FROM items GROUP BY t HAVING title > 'c'
SELECT title AS t, MIN(id) AS label FROM items GROUP BY t HAVING label > 3
SELECT fullname AS f, MIN(id) AS fullname FROM users GROUP BY 1 HAVING fullname > 'c'
SELECT MAX(id) AS label FROM items GROUP BY title HAVING label > 3
SELECT title, MAX(id) AS label FROM items GROUP BY 1 HAVING label > 3 ORDER BY label
SELECT COUNT(*) FROM items GROUP BY title WITH ROLLUP
SELECT title, COUNT(*) FROM items GROUP BY title WITH ROLLUP HAVING COUNT(*) > 1
SELECT i.title, b.label, b.size FROM items i JOIN boxes b ON b.id = i.width ORDER BY i.id, b.id
SELECT * FROM items i JOIN boxes b ON b.id = i.width ORDER BY i.id, b.id
SELECT i.*, label FROM items i JOIN boxes b ON b.id = i.width ORDER BY i.id, b.id
SELECT label FROM boxes b JOIN items i ON b.id = i.id WHERE label > 'a' ORDER BY label, b.id
SELECT title AS t, label FROM boxes b JOIN items i ON b.id = i.id GROUP BY label, t ORDER BY label, t
SELECT users.fullname, t.fullname FROM users JOIN (SELECT id, fullname FROM users WHERE id < 4) t ON t.id = users.id ORDER BY users.id
SELECT * FROM users JOIN (SELECT id, fullname FROM users WHERE id < 4) t USING (id) ORDER BY id
SELECT * FROM users JOIN (SELECT id, fullname FROM users WHERE id < 4) t USING (id, fullname) ORDER BY id
SELECT fullname FROM users JOIN (SELECT fullname FROM users WHERE id < 4) t USING (fullname) ORDER BY fullname, id
SELECT * FROM users NATURAL JOIN (SELECT id, fullname FROM users WHERE id < 4) t ORDER BY id
SELECT * FROM (SELECT id, fullname FROM users) a NATURAL JOIN (SELECT id, fullname FROM users WHERE id < 4) t ORDER BY id
SELECT * FROM staging s JOIN (SELECT fullname AS name, id AS uid FROM users) t USING (name) ORDER BY uid
SELECT id, (SELECT COUNT(*) FROM orders o WHERE o.user_id = u.id GROUP BY u.fullname) FROM users u ORDER BY id
SELECT id, (SELECT COUNT(*) FROM orders o WHERE o.user_id = u.id HAVING u.fullname > 'B') FROM users u ORDER BY id
SELECT id, (SELECT o.id FROM orders o WHERE o.user_id = u.id ORDER BY u.fullname, o.amount DESC, o.id LIMIT 1) FROM users u ORDER BY id
SELECT id, (SELECT SUM(u.visits) FROM orders o WHERE o.user_id = u.id) FROM users u ORDER BY id
SELECT (SELECT MAX(u.fullname) FROM orders) FROM users u
SELECT id, (SELECT CONCAT(fullname, '/', amount) FROM orders WHERE user_id = users.id ORDER BY amount LIMIT 1) AS x FROM users ORDER BY x, id
SELECT id FROM users u WHERE (SELECT COUNT(*) FROM orders WHERE user_id = u.id AND amount > CHAR_LENGTH(fullname)) > 0 ORDER BY id
SELECT id FROM users u WHERE id IN (SELECT user_id FROM orders WHERE amount > (SELECT MIN(amount) FROM orders o2 WHERE o2.user_id = u.id)) ORDER BY id
SELECT id, fullname FROM users u WHERE fullname IN (SELECT fullname FROM users WHERE id <> u.id) ORDER BY id
SELECT id FROM users u WHERE EXISTS (WITH c AS (SELECT * FROM orders) SELECT 1 FROM c WHERE c.user_id = u.id AND c.amount > 10) ORDER BY id
WITH c AS (SELECT fullname, COUNT(*) n FROM users GROUP BY fullname) SELECT u.id, c.n FROM users u JOIN c ON c.fullname <=> u.fullname ORDER BY u.id
WITH c AS (SELECT fullname FROM users UNION SELECT title FROM items) SELECT fullname FROM c ORDER BY fullname
WITH RECURSIVE c AS (SELECT 1 AS fullname UNION ALL SELECT fullname + 1 FROM c WHERE fullname < 3) SELECT fullname FROM c ORDER BY fullname
WITH orders AS (SELECT id, user_id, amount FROM orders WHERE amount > 5), x AS (SELECT user_id, SUM(amount) amount FROM orders GROUP BY user_id) SELECT * FROM x ORDER BY amount, user_id
WITH users AS (SELECT id, UPPER(fullname) AS fullname FROM users) SELECT u.fullname FROM users u ORDER BY u.id
WITH users AS (SELECT * FROM orders) SELECT amount FROM users ORDER BY id
WITH a AS (WITH b AS (SELECT * FROM users) SELECT * FROM b) SELECT fullname FROM a ORDER BY id
WITH RECURSIVE users AS (SELECT 1 AS fullname UNION ALL SELECT fullname + 1 FROM users WHERE fullname < 4) SELECT * FROM users
SELECT fullname FROM (SELECT 1 AS fullname) users
SELECT users.fullname FROM (SELECT 1 AS fullname) users, (SELECT 2 AS amount) orders
SELECT * FROM (SELECT 1 AS fullname) users JOIN {db}.users u2 ON u2.id = users.fullname
SELECT orders.fullname FROM users orders ORDER BY orders.id
SELECT users.amount FROM orders users ORDER BY users.id
SELECT users.amount, orders.fullname FROM orders users JOIN users orders ON users.user_id = orders.id ORDER BY users.id
SELECT a.fullname, (SELECT a.amount FROM orders a WHERE a.id = 1) FROM users a ORDER BY a.id
SELECT (SELECT fullname FROM orders WHERE id = 1) FROM users ORDER BY users.id
SELECT MAX(fullname) fullname FROM users HAVING fullname > 'A'
SELECT MAX(fullname) fullname FROM users ORDER BY fullname
SELECT visits, MAX(fullname) m FROM users GROUP BY visits HAVING MAX(fullname) > 'B' ORDER BY MAX(fullname), visits
SELECT visits, MAX(fullname) m FROM users GROUP BY visits ORDER BY MAX(fullname) DESC, MIN(fullname), visits
SELECT visits, COUNT(*) FROM users GROUP BY visits ORDER BY MIN(fullname), visits
SELECT COUNT(fullname) FROM users GROUP BY visits HAVING COUNT(DISTINCT fullname) > 1
SELECT SUM(amount > 5), SUM(IF(amount > 5, amount, 0)), SUM(CASE WHEN user_id = 1 THEN amount END), COUNT(amount > 5 OR NULL) FROM orders
SELECT user_id, SUM(amount) / (SELECT SUM(amount) FROM orders) AS share FROM orders GROUP BY user_id ORDER BY share, user_id
SELECT user_id, SUM(amount) * 2 + MIN(amount) x, amount FROM orders GROUP BY user_id, amount ORDER BY x, user_id, amount
SELECT amount, amount * 2 FROM orders GROUP BY amount HAVING amount * 2 > 10 ORDER BY amount
SELECT amount a, amount * 2 b FROM orders GROUP BY a, b HAVING b > 10 ORDER BY a
SELECT amount a FROM orders GROUP BY a HAVING amount > 10 ORDER BY a
SELECT amount FROM orders GROUP BY orders.amount HAVING orders.amount > 10 ORDER BY orders.amount
SELECT o.amount AS amount FROM orders o GROUP BY o.amount HAVING o.amount > 10 ORDER BY o.amount
SELECT o.amount, u.fullname, COUNT(*) FROM orders o JOIN users u ON u.id = o.user_id GROUP BY o.amount, u.fullname HAVING COUNT(*) > 0 AND u.fullname < 'Z' ORDER BY o.amount, u.fullname
SELECT COUNT(*) FROM orders GROUP BY amount HAVING amount > 10
SELECT COUNT(*) FROM orders GROUP BY amount HAVING MAX(amount) > 10
SELECT amount FROM orders GROUP BY amount HAVING amount IN (SELECT total FROM staging) ORDER BY amount
SELECT user_id, GROUP_CONCAT(amount ORDER BY amount DESC) FROM orders GROUP BY user_id HAVING GROUP_CONCAT(amount) LIKE '%19%' ORDER BY user_id
SELECT user_id FROM orders GROUP BY user_id HAVING COUNT(DISTINCT amount) > 1 ORDER BY user_id
SELECT YEAR(day) y, QUARTER(day) q, SUM(qty) FROM events WHERE day IS NOT NULL GROUP BY y, q WITH ROLLUP
SELECT qty, SUM(qty) FROM events GROUP BY qty WITH ROLLUP HAVING qty IS NOT NULL
SELECT kind k, SUM(qty) FROM events GROUP BY k WITH ROLLUP
SELECT kind AS sort, SUM(qty) FROM events GROUP BY sort ORDER BY sort
SELECT kind AS sort, SUM(qty) AS quantity FROM events GROUP BY sort ORDER BY quantity DESC, sort
SELECT kind AS sort, SUM(qty) AS quantity FROM events GROUP BY sort HAVING quantity > 3 ORDER BY quantity DESC, sort
SELECT qty AS quantity FROM events ORDER BY quantity DESC, id
SELECT qty AS quantity FROM events WHERE qty > 3 ORDER BY ABS(quantity), id
SELECT e.id, e.qty * 2 AS quantity, b.label AS sort FROM events e LEFT JOIN boxes b ON b.id = e.id ORDER BY sort, quantity, e.id
SELECT DISTINCT qty AS quantity FROM events ORDER BY quantity
SELECT DISTINCT kind, qty FROM events ORDER BY kind DESC, qty
SELECT DISTINCT qty FROM events ORDER BY -qty
SELECT DISTINCT day FROM events ORDER BY YEAR(day), day
SELECT DISTINCT YEAR(day) FROM events ORDER BY YEAR(day)
SELECT DISTINCT YEAR(day) y FROM events ORDER BY y
SELECT DISTINCT u.fullname, u.id FROM users u JOIN orders o ON o.user_id = u.id ORDER BY LOWER(u.fullname), u.id
SELECT DISTINCT amount FROM orders ORDER BY amount DESC LIMIT 3
SELECT DISTINCT amount, ABS(amount) FROM orders ORDER BY ABS(amount), amount
SELECT DISTINCT amount FROM orders ORDER BY amount IS NULL, amount
SELECT u.*, MAX(o.amount) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id HAVING u.fullname > 'B' ORDER BY u.fullname
SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id HAVING SUM(o.amount) > 5 ORDER BY u.fullname, u.id
SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id ORDER BY UPPER(u.fullname), u.id
SELECT u.id FROM users u WHERE u.fullname = 'Cher' GROUP BY u.id, u.fullname ORDER BY u.fullname, u.id
SELECT COUNT(*) OVER () AS total, fullname FROM users WHERE visits > 1 ORDER BY fullname, id LIMIT 3
SELECT *, COUNT(*) OVER () AS total FROM users ORDER BY fullname, id LIMIT 3
SELECT users.*, ROW_NUMBER() OVER (PARTITION BY fullname ORDER BY id) FROM users ORDER BY id
SELECT id, fullname FROM (SELECT id, fullname, ROW_NUMBER() OVER (PARTITION BY fullname ORDER BY visits DESC, id) rn FROM users) x WHERE rn = 1 ORDER BY fullname, id
SELECT id, amount, SUM(amount) OVER (PARTITION BY user_id ORDER BY id) AS running FROM orders ORDER BY id
SELECT title, ROW_NUMBER() OVER (ORDER BY title, id) FROM items ORDER BY 2
SELECT title, width, DENSE_RANK() OVER (PARTITION BY title ORDER BY width) FROM items ORDER BY title, width, id
SELECT qty, SUM(qty) OVER (PARTITION BY kind ORDER BY day, id) FROM events ORDER BY id
SELECT DISTINCT FIRST_VALUE(qty) OVER (PARTITION BY kind ORDER BY id) f FROM events ORDER BY f
SELECT kind, SUM(SUM(qty)) OVER (ORDER BY kind) FROM events GROUP BY kind ORDER BY kind
SELECT id FROM orders WHERE amount IN (19.99, 3) ORDER BY FIELD(amount, 3, 19.99), id
SELECT id FROM orders WHERE (amount, user_id) IN ((19.99, 1), (3.00, 1)) ORDER BY id
SELECT id FROM orders WHERE (amount, id) < (19.99, 3) ORDER BY amount, id
SELECT id FROM orders WHERE (user_id, amount) = (1, 3)
SELECT id FROM orders WHERE (user_id, amount) <> (1, 3) ORDER BY id
SELECT id FROM orders WHERE ROW(amount, note) <=> ROW(NULL, 'z')
SELECT id FROM orders WHERE amount <=> NULL ORDER BY id
SELECT id FROM orders WHERE amount <=> 19.99 ORDER BY id
SELECT id FROM orders WHERE amount LIKE '19%' ORDER BY id
SELECT id FROM orders WHERE CONCAT(amount, note) = '19.99x'
SELECT id FROM orders WHERE amount = '19.99' ORDER BY id
SELECT id FROM orders WHERE amount = '19.990' ORDER BY id
SELECT id FROM orders WHERE amount = 'x' ORDER BY id
SELECT id FROM orders WHERE amount = 1999e-2 ORDER BY id
SELECT id FROM orders WHERE amount = 0x14 ORDER BY id
SELECT id FROM orders WHERE amount = TRUE ORDER BY id
SELECT id FROM orders WHERE amount ORDER BY id
SELECT id FROM orders WHERE amount IS NOT NULL AND amount != 0 ORDER BY id
SELECT id FROM orders WHERE COALESCE(amount, 0) = 0 ORDER BY id
SELECT id FROM orders WHERE IFNULL(amount, -1) < 0 ORDER BY id
SELECT id FROM orders WHERE amount BETWEEN (SELECT MIN(total) FROM staging) AND (SELECT MAX(total) FROM staging) ORDER BY id
SELECT id FROM orders WHERE 5 BETWEEN amount AND 10 ORDER BY id
SELECT id FROM orders WHERE amount BETWEEN 10 AND 5
SELECT id FROM orders WHERE amount >= ALL (SELECT amount FROM orders WHERE amount IS NOT NULL)
SELECT id FROM orders WHERE amount = SOME (SELECT total FROM staging) ORDER BY id
SELECT id FROM orders WHERE amount NOT IN (SELECT total FROM staging WHERE total IS NOT NULL) ORDER BY id
SELECT id FROM orders WHERE amount NOT IN (SELECT total FROM staging)
SELECT id FROM staging WHERE total IN (SELECT amount FROM orders) ORDER BY id
SELECT id FROM staging WHERE name IN (SELECT fullname FROM users GROUP BY fullname) ORDER BY id
SELECT id FROM staging WHERE name IN (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1) ORDER BY id
SELECT id FROM staging WHERE (name, 2) IN (SELECT fullname, COUNT(*) FROM users GROUP BY fullname) ORDER BY id
SELECT id FROM staging WHERE name IN (SELECT MAX(fullname) FROM users GROUP BY visits) ORDER BY id
SELECT id FROM staging WHERE name = ANY (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1) ORDER BY id
SELECT id FROM staging s WHERE EXISTS (SELECT fullname FROM users WHERE fullname = s.name GROUP BY fullname HAVING COUNT(*) > 1) ORDER BY id
SELECT id FROM staging WHERE name IN (SELECT DISTINCT fullname FROM users) ORDER BY id
SELECT id FROM staging WHERE name IN (SELECT fullname FROM users UNION SELECT title FROM items) ORDER BY id
SELECT id FROM staging WHERE name NOT IN (SELECT fullname FROM users WHERE fullname IS NOT NULL) ORDER BY id
SELECT id FROM users WHERE fullname IN (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1) AND id NOT IN (SELECT MIN(id) FROM users GROUP BY fullname) ORDER BY id
SELECT fullname, COUNT(*) AS c FROM users WHERE fullname IN (SELECT name FROM staging) GROUP BY fullname ORDER BY c, fullname
SELECT (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) = 2 AND fullname LIKE 'C%') AS x
SELECT (fullname, visits) = ('Cher', 1) AS hit FROM users ORDER BY id
SELECT fullname = 'Cher' OR NULL FROM users ORDER BY id
SELECT fullname = 'Cher' AS `fullname` FROM users ORDER BY `fullname`, id
SELECT COUNT(*) FROM users WHERE fullname > ''
SELECT id FROM users WHERE '' = fullname
SELECT id FROM users WHERE fullname = ' '
SELECT id FROM users WHERE fullname = 'cher   '
SELECT id FROM users WHERE fullname IN ('cher ', NULL)
SELECT id FROM users WHERE UPPER(fullname) = 'CHER' ORDER BY id
SELECT id FROM users WHERE LOWER(fullname) LIKE LOWER('%CH%') ESCAPE '|' ORDER BY id
SELECT id FROM users WHERE INSTR(fullname, 'he') AND LOCATE('C', fullname) = 1 ORDER BY id
SELECT id FROM users WHERE fullname <> '' AND fullname IS NOT NULL ORDER BY CHAR_LENGTH(fullname), id
SELECT id FROM users WHERE CONCAT_WS(' ', fullname, email) LIKE '%a@x' ORDER BY id
SELECT id FROM users WHERE STRCMP(fullname, 'Cher') = 0 ORDER BY id
SELECT id FROM users WHERE GREATEST(fullname, email) = email ORDER BY id
SELECT id FROM users WHERE FIND_IN_SET(fullname, 'Cher,Bo Li') ORDER BY id
SELECT id FROM users WHERE fullname REGEXP BINARY 'c' ORDER BY id
SELECT SUBSTRING(fullname, 1, 1) s FROM users WHERE fullname IS NOT NULL GROUP BY s HAVING s <> '' ORDER BY s
SELECT INSERT(fullname, 1, 1, 'X') FROM users ORDER BY id
SELECT LPAD(fullname, 5, '*'), REPEAT(fullname, 2), QUOTE(fullname), SOUNDEX(fullname) FROM users ORDER BY id
SELECT NULLIF(fullname, 'Cher'), COALESCE(NULL, fullname), ISNULL(fullname) FROM users ORDER BY id
SELECT CONCAT(fullname, ' <', email, '>') AS display FROM users ORDER BY display, id
SELECT CONCAT(fullname, ' <', email, '>') FROM users HAVING `CONCAT(fullname, ' <', email, '>')` LIKE 'C%'
SELECT id, fullname AS 'Full name' FROM users ORDER BY `Full name`, id
SELECT id AS "fullname" FROM users ORDER BY fullname
SELECT ALL(fullname) FROM users ORDER BY id
SELECT DISTINCT(fullname) FROM users ORDER BY fullname
SELECT DISTINCT (fullname), visits FROM users ORDER BY (fullname), visits
SELECT fullname FROM users GROUP BY (fullname) ORDER BY (fullname)
SELECT ((fullname)) FROM users GROUP BY ((fullname)) ORDER BY ((fullname))
SELECT fullname FROM users ORDER BY (SELECT 1), id
SELECT fullname FROM users ORDER BY 'x', id
SELECT 1 FROM users ORDER BY fullname
SELECT '' fullname FROM users ORDER BY users.fullname
SELECT EXISTS (SELECT 1 FROM orders WHERE amount > 100), fullname FROM users ORDER BY id
SELECT NOT fullname = 'Cher' FROM users ORDER BY id
SELECT - amount, amount - - 1, amount--1 FROM orders ORDER BY id
SELECT amount+amount, 2*amount, amount*-1 FROM orders ORDER BY id
SELECT amount % 2, amount MOD 2, MOD(amount, 2) FROM orders ORDER BY id
SELECT amount BETWEEN 1 AND 5, amount IN (3, 4), amount IS NULL FROM orders ORDER BY id
SELECT CAST(amount AS SIGNED), CAST(amount AS UNSIGNED), CAST(amount AS DOUBLE), CAST(amount AS CHAR(3)) FROM orders WHERE amount > 0 ORDER BY id
SELECT amount * 1e0, amount / 0, amount DIV 0 FROM orders ORDER BY id
SELECT CEIL(amount), FLOOR(amount), SQRT(amount), POW(amount, 2), SIGN(amount), LEAST(amount, 5) FROM orders ORDER BY id
SELECT INTERVAL(amount, 1, 10, 100) FROM orders ORDER BY id
SELECT ELT(width, 'a', 'b', 'c'), MAKE_SET(width, 'a', 'b'), FIELD(title, 'box', 'bag') FROM items ORDER BY id
SELECT width = 3 AND height = 4 FROM items ORDER BY id
SELECT width - height, width / height, -width, width << 1 FROM items ORDER BY id
SELECT SUM(width * height), AVG(width), BIT_OR(width), BIT_AND(height), BIT_XOR(width) FROM items
SELECT title, SUM(width), GROUP_CONCAT(height ORDER BY height) FROM items GROUP BY title HAVING SUM(width) > 2 ORDER BY title
SELECT width w, COUNT(*) FROM items GROUP BY w HAVING w > 2 ORDER BY w
SELECT width w, height h FROM items ORDER BY w, h DESC, id
SELECT width + height AS size, title AS label FROM items ORDER BY size, label, id
SELECT width + height AS size, COUNT(*) FROM items GROUP BY size HAVING size > 5 ORDER BY size
SELECT width + height AS size FROM items HAVING size > 5 ORDER BY size
SELECT UPPER(title) AS label, COUNT(*) FROM items GROUP BY label ORDER BY label
SELECT UPPER(title) AS label, COUNT(*) FROM items GROUP BY label HAVING label <> 'TIN' ORDER BY label DESC
SELECT label FROM (SELECT title AS label FROM items) x ORDER BY label
SELECT x.label FROM (SELECT UPPER(title) label, id FROM items) x JOIN items i ON i.id = x.id ORDER BY i.id
SELECT label, i.title FROM (SELECT UPPER(title) label, id FROM items) x JOIN items i ON i.id = x.id ORDER BY i.id
SELECT size, label FROM boxes ORDER BY id
SELECT b.size, i.width FROM boxes b LEFT JOIN items i ON i.width = b.size ORDER BY b.id, i.id
SELECT b.id, i.width, i.height, i.title FROM boxes b LEFT JOIN items i ON i.id = b.id ORDER BY b.id
SELECT b.id, COALESCE(i.width, -1) FROM boxes b LEFT JOIN items i ON i.id = b.id ORDER BY b.id
SELECT b.id FROM boxes b LEFT JOIN items i ON i.id = b.id WHERE i.width IS NULL ORDER BY b.id
SELECT b.id FROM boxes b LEFT JOIN items i ON i.id = b.id WHERE i.title IS NULL ORDER BY b.id
SELECT e.kind, u.fullname FROM events e LEFT JOIN users u ON u.id = e.user_id LEFT JOIN events f ON f.user_id = u.id AND f.kind = e.kind ORDER BY e.id, f.id
SELECT u.id, e.kind, e.qty, e.day FROM users u LEFT JOIN events e ON e.user_id = u.id AND e.kind = 'none' ORDER BY u.id, e.id
SELECT u.id FROM users u LEFT JOIN events e ON e.user_id = u.id AND e.kind = 'none' WHERE e.kind IS NULL ORDER BY u.id
SELECT u.id FROM users u LEFT JOIN events e ON e.user_id = u.id WHERE e.kind <> 'none' OR e.kind IS NULL ORDER BY u.id, e.id
SELECT u.id FROM users u LEFT JOIN events e ON e.user_id = u.id WHERE NOT (e.kind <=> 'none') ORDER BY u.id, e.id
SELECT x.kind FROM staging s LEFT JOIN (users u JOIN events x ON x.user_id = u.id) ON u.fullname = s.name ORDER BY s.id, x.id
SELECT x.kind, x.k2 FROM staging s LEFT JOIN (SELECT id, kind, CONCAT(kind, '!') k2 FROM events) x ON x.id = s.id + 4 ORDER BY s.id
SELECT x.kind FROM staging s LEFT JOIN (SELECT kind, COUNT(*) n FROM events GROUP BY kind) x ON x.n = s.id ORDER BY s.id, kind
SELECT x.kind FROM staging s LEFT JOIN (SELECT DISTINCT kind FROM events) x ON x.kind = s.name ORDER BY s.id, kind
SELECT COUNT(e.kind), COUNT(DISTINCT e.kind), MAX(e.kind) FROM users u LEFT JOIN events e ON e.user_id = u.id
SELECT e.kind, COUNT(*) FROM users u LEFT JOIN events e ON e.user_id = u.id GROUP BY e.kind WITH ROLLUP
SELECT e.kind AS kind, COUNT(*) FROM users u LEFT JOIN events e ON e.user_id = u.id GROUP BY e.kind HAVING e.kind = 'none'
SELECT u.id, (SELECT e.kind FROM events e WHERE e.user_id = u.id AND e.qty > 100) FROM users u ORDER BY id
SELECT * FROM users u RIGHT JOIN events e ON u.id = e.user_id ORDER BY e.id
SELECT u.*, e.* FROM users u LEFT JOIN events e ON u.id = e.user_id ORDER BY u.id, e.id
SELECT * FROM users LEFT JOIN events USING (id) ORDER BY id
SELECT * FROM events RIGHT JOIN users USING (id) ORDER BY id
SELECT kind FROM users NATURAL LEFT JOIN events ORDER BY id
SELECT * FROM users u LEFT JOIN orders o USING (id) LEFT JOIN events e USING (id) ORDER BY id
SELECT u.id, o.amount, e.kind FROM users u LEFT JOIN orders o USING (id) LEFT JOIN events e USING (id, user_id) ORDER BY u.id
SELECT {plain}.users.fullname FROM {plain}.users ORDER BY {plain}.users.id
SELECT u.fullname, t.fullname FROM users u JOIN {plain}.users t USING (id) ORDER BY id
SELECT * FROM users u JOIN {plain}.users t USING (id, fullname) ORDER BY id
SELECT {db}.users.fullname, {db}.orders.amount FROM {db}.users JOIN {db}.orders ON {db}.orders.user_id = {db}.users.id ORDER BY {db}.orders.id
SELECT `{db}`.`users`.`fullname` FROM `{db}`.`users` WHERE `{db}`.`users`.`fullname` > 'B' ORDER BY `{db}`.`users`.`fullname`, id
SELECT u.fullname FROM {db} . users u ORDER BY u . id
SELECT u.fullname FROM users AS u WHERE u.fullname LIKE CONCAT('%', 'er', '%') ORDER BY u.id
CREATE TEMPORARY TABLE users (id INT, fullname VARCHAR(20))
INSERT INTO users VALUES (1, 'temp')
SELECT fullname FROM users
UPDATE users SET fullname = 'temp2'
SELECT UPPER(fullname) FROM users
DROP TEMPORARY TABLE users
SELECT fullname FROM users ORDER BY id
CREATE TEMPORARY TABLE tt AS SELECT id, fullname FROM users
SELECT * FROM tt ORDER BY 1
SELECT t.fullname, u.fullname FROM tt t JOIN users u USING (id) ORDER BY id
DROP TEMPORARY TABLE IF EXISTS tt
CREATE TEMPORARY TABLE tt SELECT * FROM orders WHERE 1 = 0
SELECT * FROM tt ORDER BY 1
SELECT COUNT(*) FROM tt
DROP TEMPORARY TABLE IF EXISTS tt
CREATE TEMPORARY TABLE tt LIKE users
SELECT * FROM tt ORDER BY 1
SELECT * FROM tt
INSERT INTO tt SELECT * FROM users
SELECT * FROM tt ORDER BY id
INSERT INTO staging (id, name, total) SELECT id + 100, fullname, visits FROM users WHERE fullname > 'B'
SELECT * FROM staging ORDER BY id
UPDATE staging s JOIN users u ON u.id = s.id - 100 SET s.name = CONCAT(u.fullname, '!')
SELECT * FROM staging ORDER BY id
UPDATE staging SET name = (SELECT fullname FROM users WHERE id = staging.id - 100) WHERE id > 100
SELECT * FROM staging ORDER BY id
DELETE FROM staging WHERE name IN (SELECT fullname FROM users) AND id > 102
DELETE staging FROM staging JOIN users ON users.id = staging.id - 100 WHERE users.fullname > 'A'
DELETE FROM s USING staging AS s JOIN users u ON u.fullname = s.name WHERE s.id > 100
SELECT * FROM staging ORDER BY id
REPLACE INTO staging SELECT id + 100, fullname, visits FROM users ORDER BY fullname, id LIMIT 3
SELECT * FROM staging ORDER BY id
INSERT INTO staging SELECT id + 100, fullname, visits FROM users ON DUPLICATE KEY UPDATE name = CONCAT(VALUES(name), fullname)
SELECT * FROM staging ORDER BY id
DELETE FROM staging WHERE id > 100
UPDATE users SET visits = visits + 1 WHERE fullname = 'Cher'
UPDATE users SET visits = CHAR_LENGTH(fullname) WHERE fullname LIKE 'Z%' ORDER BY fullname LIMIT 1
UPDATE orders SET note = CONCAT('n', amount) WHERE amount > 15 ORDER BY amount DESC, id LIMIT 2
SELECT * FROM orders ORDER BY id
DELETE FROM orders WHERE amount = -3.5
DELETE FROM orders WHERE amount IS NULL ORDER BY amount, id LIMIT 1
PREPARE s FROM 'SELECT fullname FROM users WHERE fullname > ? ORDER BY fullname, id LIMIT ?'
SET @a = 'B', @l = 2
EXECUTE s USING @a, @l
PREPARE s FROM 'SELECT ? AS fullname, amount FROM orders WHERE amount BETWEEN ? AND ? ORDER BY amount, id'
SET @b = 3, @c = 20
EXECUTE s USING @a, @b, @c
DEALLOCATE PREPARE s
PREPARE s FROM 'SELECT user_id, SUM(amount) FROM orders GROUP BY user_id ORDER BY ?'
DEALLOCATE PREPARE s
SET @q = 'SELECT fullname FROM users ORDER BY id LIMIT 2'
PREPARE s FROM @q
EXECUTE s
SELECT u.id FROM users u WHERE u.fullname = @n OR u.fullname = 'Cher' ORDER BY u.id
SELECT @n := MAX(fullname) FROM users
SELECT fullname FROM users WHERE id = 1 UNION SELECT @n
SELECT JSON_OBJECTAGG(title, width) FROM items WHERE id IN (1, 4)
SELECT JSON_ARRAYAGG(JSON_OBJECT('id', id, 'fullname', fullname)) FROM users WHERE id < 3
SELECT JSON_ARRAYAGG(amount) FROM orders WHERE id < 3
SELECT JSON_OBJECT('t', title, 'w', width, 'qty', qty, 'day', day) FROM items JOIN events USING (id) ORDER BY id
SELECT JSON_LENGTH(data), JSON_KEYS(data), JSON_TYPE(data), JSON_VALID(data) FROM docs ORDER BY id
SELECT data FROM docs ORDER BY id
SELECT * FROM docs ORDER BY id
SELECT data = '{"a": "x"}', data LIKE '%a%', data IS NULL FROM docs ORDER BY id
SELECT jt.* FROM docs, JSON_TABLE(data, '$' COLUMNS (a VARCHAR(10) PATH '$.a')) jt
SELECT fullname FROM users WHERE id=1;
SELECT fullname FROM users WHERE id=1 ; -- comment
SELECT fullname -- fullname
SELECT fullname FROM users -- the fullname
SELECT fullname FROM users # the fullname
SELECT/**/fullname/**/FROM/**/users/**/ORDER/**/BY/**/id
SELECT(fullname)FROM(users)ORDER BY(id)
SELECT`fullname`FROM`users`ORDER BY`id`
select-amount from orders order by id
SELECT fullname,fullname a,`fullname`b,users.fullname'c' FROM users ORDER BY id
SELECT /*+ NO_MERGE(d) */ * FROM (SELECT fullname FROM users) d ORDER BY fullname LIMIT 1
SELECT /*+ MAX_EXECUTION_TIME(1000) */ fullname FROM users ORDER BY id
SELECT /*!40001 SQL_NO_CACHE */ * FROM `users` ORDER BY id
SELECT /*!40001 SQL_NO_CACHE */ `id`, `fullname` FROM `users` WHERE 1 ORDER BY `id`
/* ApplicationName=DBeaver */ SELECT x.* FROM users x ORDER BY id LIMIT 0, 200
/*ApplicationName=DataGrip*/ select t.* from users t order by id limit 501
SELECT COUNT(*) AS `numrows` FROM `users` WHERE `fullname` LIKE '%a%' ESCAPE '!'
SELECT TOP FROM users
SELECT COUNT(*) FROM (SELECT 1 FROM users WHERE fullname > 'A' LIMIT 100) x
SELECT max(t.`id`) FROM (select * from users where fullname is not null order by fullname limit 5) t
SELECT t0.fullname, t1.amount FROM users t0 LEFT JOIN (SELECT user_id, MAX(amount) amount FROM orders GROUP BY user_id) t1 ON t0.id = t1.user_id ORDER BY t1.amount DESC, t0.fullname, t0.id
SELECT `custom`.`fullname`, SUM(`custom`.`amount`) FROM (SELECT u.fullname, o.amount FROM users u JOIN orders o ON u.id = o.user_id) `custom` GROUP BY 1 ORDER BY 2 DESC, 1
SELECT `t1`.`id`, `t1`.`fullname`, COALESCE(`t2`.`__rel`, JSON_ARRAY()) AS `orders` FROM `users` AS `t1` LEFT JOIN (SELECT user_id, JSON_ARRAYAGG(JSON_OBJECT('id', id, 'amount', amount)) AS `__rel` FROM orders GROUP BY user_id) t2 ON t2.user_id = t1.id ORDER BY t1.id
SELECT u.id AS u_id, u.fullname AS u_fullname, o.id AS o_id, o.amount AS o_amount FROM users u LEFT JOIN orders o ON o.user_id = u.id AND (o.amount >= 5 OR o.amount IS NULL) WHERE u.id IN (1, 2, 4) ORDER BY u_fullname ASC, o_amount DESC, o_id
SELECT GROUP_CONCAT(DISTINCT CONCAT(u.fullname, ':', o.amount) ORDER BY o.amount DESC, u.fullname SEPARATOR ';') FROM users u JOIN orders o ON o.user_id = u.id
SELECT amount FROM orders UNION SELECT total FROM staging ORDER BY amount
SELECT amount FROM orders UNION ALL SELECT NULL ORDER BY amount
SELECT amount, 'o' FROM orders UNION ALL SELECT qty, kind FROM events ORDER BY 1, 2
SELECT SUM(x) FROM (SELECT amount x FROM orders UNION ALL SELECT qty FROM events) t
SELECT qty FROM events UNION SELECT width FROM items ORDER BY qty
SELECT day FROM events UNION SELECT '2020-01-01' ORDER BY day
(SELECT id, fullname FROM users WHERE id = 1) UNION (SELECT id, title FROM items WHERE id = 2) UNION ALL (SELECT 9, 'z') ORDER BY fullname DESC, id
((SELECT fullname FROM users ORDER BY fullname, id LIMIT 3)) ORDER BY fullname DESC LIMIT 2
(SELECT fullname, id FROM users) ORDER BY fullname, id LIMIT 2
(SELECT UPPER(fullname) FROM users ORDER BY UPPER(fullname)) LIMIT 2
SELECT fullname FROM users WHERE id < 3 UNION SELECT UPPER(fullname) FROM users WHERE id < 3 ORDER BY CHAR_LENGTH(fullname), 1
INSERT INTO staging (id, name) VALUES (500, (SELECT fullname FROM users WHERE id = 2)), (501, (SELECT MAX(title) FROM items))
SELECT * FROM staging ORDER BY id
INSERT INTO staging SET id = 502, name = (SELECT CONCAT(fullname, amount) FROM users JOIN orders USING (id) WHERE id = 1)
SELECT * FROM staging ORDER BY id
INSERT INTO staging WITH c AS (SELECT * FROM users) SELECT id + 600, fullname, visits FROM c
INSERT INTO staging SELECT * FROM (SELECT id + 700, fullname, visits FROM users) d
INSERT INTO staging (id, name, total) SELECT id + 800, fullname, amount FROM users JOIN orders USING (id) UNION ALL SELECT id + 900, title, width FROM items
SELECT * FROM staging ORDER BY id
DELETE FROM staging WHERE id > 400
DESCRIBE staging
SHOW COLUMNS FROM staging LIKE 'n%'
SELECT table_name, table_rows FROM information_schema.tables WHERE table_name = 'nope'
CALL nosuch((SELECT fullname FROM users WHERE id = 1))
DO SLEEP(0), (SELECT COUNT(*) FROM users WHERE fullname = 'x')
SELECT fullname FROM users WHERE id = 1 INTO @zz
SELECT @zz
SELECT fullname FROM users WHERE fullname IS NULL AND id = LAST_INSERT_ID()
SELECT VERSION() IS NOT NULL, fullname FROM users ORDER BY id
SELECT u.fullname COLLATE utf8mb4_bin AS f FROM users u ORDER BY f, id
SELECT MAX(fullname COLLATE utf8mb4_bin) FROM users
SELECT CONVERT(fullname USING utf8mb4) FROM users ORDER BY id
SELECT WEIGHT_STRING(fullname) FROM users ORDER BY id
SELECT id, fullname < email FROM users ORDER BY id
SELECT COLLATION(fullname), COLLATION(title), COLLATION(kind), COERCIBILITY(title) FROM users, items, events LIMIT 1
SELECT u.id FROM users u JOIN items i ON u.fullname = i.title OR i.title > u.fullname ORDER BY u.id, i.id
SELECT u.id, s.id FROM users u JOIN staging s ON s.name = u.fullname ORDER BY u.id, s.id
SELECT u.id, i.id FROM users u JOIN events i ON i.kind = u.fullname
SELECT CONCAT(kind, fullname, title) FROM users JOIN items USING (id) JOIN events USING (id) ORDER BY id
SELECT DISTINCT u.* FROM users u ORDER BY UPPER(u.fullname)
SELECT DISTINCT amount, ABS(amount) FROM orders ORDER BY ABS(amount)
DELETE FROM users WHERE fullname IN (SELECT * FROM (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1) t)
SELECT DISTINCT u.* FROM users u INNER JOIN orders o ON o.user_id = u.id ORDER BY LOWER(u.fullname), u.id
SELECT DISTINCT u.fullname FROM users u LEFT JOIN events e ON e.user_id = u.id WHERE kind > 'a' ORDER BY LOWER(u.fullname) DESC LIMIT 3
SELECT DISTINCT e.kind FROM users u LEFT JOIN events e ON e.user_id = u.id ORDER BY LOWER(e.kind) DESC LIMIT 3
SELECT id FROM staging WHERE name NOT IN (SELECT fullname FROM users WHERE fullname IS NOT NULL GROUP BY fullname HAVING COUNT(*) > 1) ORDER BY id
SELECT id FROM staging WHERE name > ALL (SELECT fullname FROM users WHERE fullname IS NOT NULL GROUP BY fullname HAVING COUNT(*) > 1) ORDER BY id
SELECT id, name IN (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1) FROM staging ORDER BY id
SELECT id FROM staging WHERE name IN (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1 UNION SELECT title FROM items) ORDER BY id
SELECT id FROM staging WHERE name IN (SELECT title FROM items UNION SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1) ORDER BY id
SELECT name FROM staging GROUP BY name HAVING name IN (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1)
SELECT id FROM users WHERE (fullname, visits) IN (SELECT fullname, MAX(visits) FROM users GROUP BY fullname) ORDER BY id
SELECT * FROM orders WHERE (user_id, amount) IN (SELECT user_id, MAX(amount) FROM orders GROUP BY user_id) ORDER BY id
SELECT id FROM staging WHERE (SELECT COUNT(*) FROM users GROUP BY fullname HAVING fullname = name) > 1
SELECT id FROM staging WHERE name = (SELECT fullname FROM users GROUP BY fullname HAVING COUNT(*) > 1 ORDER BY fullname LIMIT 1)
SELECT id FROM users WHERE id IN (SELECT MIN(id) FROM users GROUP BY fullname HAVING COUNT(*) > 1)
SELECT id FROM users WHERE id IN (SELECT MIN(id) FROM users GROUP BY fullname HAVING fullname > 'B')
SELECT kind, COUNT(*) FROM events WHERE id > 99
SELECT CONCAT(kind, '!'), MAX(kind), MAX(qty) FROM events WHERE qty > 99
SELECT *, COUNT(*) FROM events WHERE qty > 99
SELECT kind, fullname, COUNT(*) FROM events JOIN users USING (id) WHERE qty > 99
SELECT kind FROM events WHERE qty > 99 HAVING COUNT(*) = 0
SET @mode = @@sql_mode
SET SESSION sql_mode = CONCAT(@@sql_mode, ',ONLY_FULL_GROUP_BY')
SELECT amount, amount AS again, COUNT(*) FROM orders GROUP BY amount ORDER BY amount
SELECT day, day, MAX(qty) FROM events e GROUP BY day, day ORDER BY 1
SELECT amount, COUNT(*), MAX(amount) FROM orders GROUP BY amount ORDER BY amount
SET SESSION sql_mode = @mode
