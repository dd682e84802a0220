-- Tables and indexes, changes, joins, aggregates and subqueries, as psql prints them.
CREATE TABLE customer (
  id integer PRIMARY KEY,
  name text NOT NULL,
  city varchar(20) DEFAULT 'Paris',
  credit numeric(10,2) NOT NULL DEFAULT 0
);
CREATE TABLE purchase (
  id bigint PRIMARY KEY,
  customer_id integer NOT NULL,
  item text,
  price double precision,
  quantity smallint CHECK (quantity > 0),
  is_paid boolean,
  bought_on date,
  seen_at timestamp with time zone
);
CREATE INDEX purchase_customer ON purchase (customer_id, bought_on DESC);
CREATE UNIQUE INDEX customer_name ON customer (name);
INSERT INTO customer (id, name) VALUES (1, 'Ada');
INSERT INTO customer VALUES (2, 'Bob', 'Rome', 12.5), (3, 'Cy', NULL, 7), (4, 'Dee', 'Oslo', 1000.005)
  RETURNING id, credit;
INSERT INTO purchase VALUES
  (10, 1, 'apple', 0.5, 4, true, '2024-01-31', '2024-02-01 12:00:00+02'),
  (11, 1, 'pear', 1.25, 2, false, '2024-02-29', NULL),
  (12, 2, 'apple', 0.75, 10, true, '2024-03-01', '2024-03-01 00:00:00+00'),
  (13, 4, NULL, 1e100, 1, NULL, NULL, NULL);
SELECT * FROM customer ORDER BY id;
SELECT * FROM purchase ORDER BY id;

-- Expressions, NULLs, patterns, ranges, limits.
SELECT id, upper(name) AS shout, credit * 2 AS twice, coalesce(city, '?') FROM customer
  WHERE credit > 0 AND (city IS NULL OR city LIKE '%o%') ORDER BY credit DESC;
SELECT id FROM customer WHERE id BETWEEN 2 AND 3 OR name IN ('Ada', 'Zoe') ORDER BY id DESC LIMIT 2 OFFSET 1;
SELECT CASE WHEN credit = 0 THEN 'none' WHEN credit < 10 THEN 'low' ELSE 'high' END AS level, name
  FROM customer ORDER BY level, name;
SELECT 7 / 2 AS int_div, 7 % 3 AS modulo, -7 / 2.0 AS numeric_div, 2::float8 / 3 AS float_div, 1 = NULL AS unknown;
SELECT DISTINCT item FROM purchase ORDER BY item NULLS FIRST;

-- Joins.
SELECT c.name, p.item, p.price * p.quantity AS total FROM customer c JOIN purchase p ON p.customer_id = c.id
  ORDER BY c.name, p.id;
SELECT c.name, p.item FROM customer c LEFT JOIN purchase p ON p.customer_id = c.id AND p.is_paid
  ORDER BY c.name, p.item;
SELECT c.name, p.id FROM purchase p RIGHT JOIN customer c ON p.customer_id = c.id WHERE p.id IS NULL ORDER BY 1;
SELECT a.name, b.name FROM customer a, customer b WHERE a.id < b.id AND a.credit < b.credit ORDER BY a.id, b.id;
SELECT name, id FROM customer NATURAL JOIN (VALUES (1, 'Ada'), (2, 'Rob')) AS v (id, name);

-- Aggregates.
SELECT count(*), count(item), sum(quantity), avg(quantity), min(bought_on), max(price) FROM purchase;
SELECT customer_id, count(*) AS n, sum(price) FILTER (WHERE is_paid) AS paid FROM purchase
  GROUP BY customer_id HAVING count(*) >= 1 ORDER BY n DESC, customer_id;
SELECT city, sum(credit) FROM customer GROUP BY city ORDER BY city;
SELECT count(*), sum(id) FROM customer WHERE false;

-- Subqueries.
SELECT name FROM customer WHERE id IN (SELECT customer_id FROM purchase WHERE item = 'apple') ORDER BY name;
SELECT name FROM customer c WHERE NOT EXISTS (SELECT 1 FROM purchase p WHERE p.customer_id = c.id);
SELECT name, (SELECT count(*) FROM purchase p WHERE p.customer_id = c.id) AS purchases FROM customer c ORDER BY id;
SELECT name FROM customer WHERE credit = (SELECT max(credit) FROM customer);
WITH big AS (SELECT * FROM purchase WHERE quantity >= 2) SELECT item, quantity FROM big ORDER BY quantity;
SELECT id FROM customer WHERE id < 3 UNION SELECT customer_id FROM purchase ORDER BY 1;

-- Changes.
UPDATE customer SET credit = credit + 1, city = 'Lyon' WHERE city = 'Paris' RETURNING *;
UPDATE purchase SET is_paid = true FROM customer c WHERE c.id = customer_id AND c.name = 'Ada';
DELETE FROM purchase WHERE id = 13;
DELETE FROM purchase WHERE id = 13;
INSERT INTO customer VALUES (1, 'Again') ON CONFLICT (id) DO NOTHING;
INSERT INTO customer VALUES (1, 'Ada L.') ON CONFLICT (id) DO UPDATE SET name = excluded.name;
INSERT INTO customer (id, name) SELECT id + 100, name || '!' FROM customer WHERE id <= 2;
SELECT id, name, city, credit FROM customer ORDER BY id;
ALTER TABLE customer ADD COLUMN note text;
ALTER TABLE customer RENAME COLUMN note TO remark;
UPDATE customer SET remark = 'first' WHERE id = 1;
SELECT remark FROM customer WHERE remark IS NOT NULL;
TRUNCATE purchase;
SELECT count(*) FROM purchase;
DROP INDEX purchase_customer;
DROP TABLE purchase, customer;
