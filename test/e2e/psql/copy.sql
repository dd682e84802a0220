-- COPY in both directions, text and CSV.
CREATE TABLE reading (id integer PRIMARY KEY, label text, amount numeric, at timestamp);
\copy reading from 'reading.tsv'
COPY reading TO STDOUT;
COPY (SELECT label, sum(amount) FROM reading GROUP BY label ORDER BY label) TO STDOUT WITH (FORMAT csv, HEADER);
COPY reading (label, id) FROM STDIN WITH (FORMAT csv);
"quoted, with ""quotes""",10
plain,11
,12
"",13
\.
SELECT id, label, label IS NULL AS is_null FROM reading WHERE id >= 10 ORDER BY id;
COPY reading FROM STDIN;
20	ok	1.5	2024-01-01 00:00:00
21	not	a	number
\.
COPY reading FROM STDIN;
20	too	1
\.
SELECT count(*) FROM reading;
BEGIN;
COPY reading (id) FROM STDIN;
30
31
\.
SELECT count(*) FROM reading;
ROLLBACK;
SELECT count(*) FROM reading;
\copy (select id from reading order by id limit 2) to 'ids.tsv'
\! cat ids.tsv
DROP TABLE reading;
