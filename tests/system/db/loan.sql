PRAGMA cache_size=1000;
CREATE TABLE row(id INTEGER PRIMARY KEY, value, text);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO row SELECT i, i * 7 % 1000, hex(zeroblob(60)) FROM n;
.during 2200 UPDATE row SET value = value + 1 WHERE id % 1000 = abs(random()) % 1000
SELECT count(*), sum(length(text)) FROM row;
PRAGMA integrity_check;
