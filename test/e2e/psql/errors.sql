-- Errors carry SQLSTATE, position, detail and hint; psql shows them with the line they point at.
\set VERBOSITY verbose
CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, price numeric(6,2) CHECK (price >= 0), code varchar(3));
INSERT INTO item VALUES (1, 'one', 1, 'abc');
SELECT * FROM nowhere;
SELECT nothing FROM item;
SELECT item.nothing FROM item WHERE id = 1;
SELEC 1;
SELECT id,
       name
  FROM item
 WHERE name = = 'one';
SELECT 'unended;
'' FROM item;
';
SELECT 1 FROM item WHERE name = 1;
SELECT 'x'::integer;
SELECT id FROM item WHERE id = 'seven';
SELECT 1 / (id - 1) FROM item;
SELECT 2147483647 + id FROM item;
SELECT nofunction(1);
SELECT lower(1, 2);
SELECT a.id FROM item a, item b WHERE id = 1;
SELECT name, count(*) FROM item;
INSERT INTO item VALUES (1, 'again', 1, 'x');
INSERT INTO item (id) VALUES (2);
INSERT INTO item VALUES (2, 'two', -1, 'x');
INSERT INTO item VALUES (2, 'two', 99999, 'x');
INSERT INTO item VALUES (2, 'two', 1, 'abcd');
INSERT INTO item VALUES (2, 'two', 1, 'x', 5);
INSERT INTO item (id, wrong) VALUES (2, 'two');
UPDATE item SET wrong = 1;
CREATE TABLE item (id integer);
DROP TABLE nowhere;
DROP TABLE IF EXISTS nowhere;
SELECT (SELECT id, name FROM item);
SET statement_timeout = 'soon';
SELECT 'after all that, the session is as good as new' AS result;
DROP TABLE item;
