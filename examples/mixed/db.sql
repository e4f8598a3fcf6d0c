CREATE TABLE row(id INTEGER PRIMARY KEY, value, text);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO row SELECT i, i % 100, hex(zeroblob(30)) FROM n;
.during 1500 UPDATE row SET value = value + 1 WHERE id = 1 + abs(random()) % 2000
SELECT count(*), sum(length(text)) FROM row;
PRAGMA integrity_check;
